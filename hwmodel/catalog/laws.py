"""Scaling laws from YAML: one file a law, variants inside it, checked on the way in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from hwmodel.catalog.writing import write_whole
from hwmodel.catalog.yamlfile import parse_yaml, read_text
from hwmodel.errors import CatalogError, InputError, unknown
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.specs.law import CONVENTIONS, LawSpec

FOLDER = "laws"


@lru_cache(maxsize=256)
def _read(path: Path, _mtime_ns: int) -> JsonObject:
    record = parse_yaml(read_text(path), path)
    if not isinstance(record, dict) or record.get("id") != path.stem:
        raise CatalogError(f"{path}: a law file is a mapping whose `id` is the file's name, {path.stem!r}")
    return record


def _file(path: Path) -> JsonObject:
    return _read(path, path.stat().st_mtime_ns)


def _group(record: JsonObject, name: str, path: Path) -> JsonObject:
    """A group of fields of a law file, empty where it has none. CatalogError for what is none."""
    found = record.get(name) or {}
    if not isinstance(found, dict):
        raise CatalogError(f"{path}: law {record.get('id', '?')}: {name} is a mapping of fields")
    return found


def _points(record: JsonObject, path: Path) -> list[JsonValue]:
    """The test points of a law or variant. CatalogError for what is no list."""
    found = record.get("test_points") or []
    if not isinstance(found, list):
        raise CatalogError(f"{path}: law {record.get('id', '?')}: test_points is a list")
    return found


def _files(roots: Sequence[Path]) -> dict[str, Path]:
    """Law id -> file; a later root overrides an earlier one. A file is named after its law."""
    return {path.stem: path for root in roots for path in sorted((root / FOLDER).glob("*.yaml"))}


def _spec(fields: JsonObject, path: Path) -> LawSpec:
    name = fields.get("id", "?")
    try:
        spec = msgspec.convert(dict(fields), LawSpec)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path}: law {name}: {error}") from error
    extra = set(fields) - set(LawSpec.__struct_fields__)
    if extra:
        raise CatalogError(f"{path}: law {name}: unknown field {sorted(extra)[0]!r}")
    if spec.params_convention not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise CatalogError(f"{path}: law {name}: params_convention {spec.params_convention!r} is none of {known}")
    if spec.form == "none" and not spec.refusal:
        raise CatalogError(f"{path}: law {name}: neither a form nor a refusal that says why there is none")
    size = len(spec.covariance_of)
    if len(spec.covariance) != size or any(len(row) != size for row in spec.covariance):
        raise CatalogError(f"{path}: law {name}: covariance is not {size} x {size} like covariance_of")
    missing = [n for n in spec.covariance_of if n.removeprefix("log_") not in spec.constants]
    if missing:
        raise CatalogError(f"{path}: law {name}: covariance_of names {missing[0]!r}, which is not a constant")
    return spec


def _extended(path: Path, files: Mapping[str, Path], seen: tuple[str, ...] = ()) -> JsonObject:
    """A law file with what it extends merged in: `constants` key by key, other fields whole."""
    record = _file(path)
    parent_id = record.get("extends")
    if parent_id is None:
        return record
    stem, _, variant = str(parent_id).partition("/")
    if stem in seen or stem == path.stem or stem not in files:
        raise CatalogError(f"{path}: extends {parent_id!r}, which is not another law of the catalogs")
    parent = _extended(files[stem], files, (*seen, path.stem))
    fields = {k: v for k, v in parent.items() if k not in ("variants", "default_variant", "test_points")}
    variant = variant or ("" if "form" in fields else str(parent.get("default_variant", "")))
    fields |= _group(_group(parent, "variants", path), variant, path)
    own = {k: v for k, v in record.items() if k != "extends"}
    constants = {**_group(fields, "constants", path), **_group(own, "constants", path)}
    if own.get("constants"):  # other constants: the parent's covariance no longer belongs to them
        fields = {k: v for k, v in fields.items() if not k.startswith("covariance")}
    return {**fields, **own, "constants": constants}


def _variants(path: Path, files: Mapping[str, Path]) -> dict[str, LawSpec]:
    record = _extended(path, files)
    base = {key: value for key, value in record.items() if key != "variants"}
    variants, law_id = _group(record, "variants", path), str(base["id"])
    specs: dict[str, LawSpec] = {}
    if "form" in base and "default_variant" not in base:
        specs[law_id] = _spec(base, path)
    default = base.get("default_variant")
    inherited = {k: v for k, v in base.items() if k not in ("test_points", "default_variant")}
    for name in variants:
        fields, variant_id = _group(variants, name, path), f"{law_id}/{name}"
        own = {**inherited, **fields, "id": variant_id}
        if name == default and "test_points" in base:
            own["test_points"] = [*_points(base, path), *_points(fields, path)]
        specs[variant_id] = _spec(own, path)
    if default is not None and law_id not in specs:
        if f"{law_id}/{default}" not in specs:
            raise CatalogError(f"{path}: default_variant {default!r} is not among the variants")
        specs[law_id] = specs[f"{law_id}/{default}"]
    return specs


def read_law(roots: Sequence[Path], law_id: str) -> LawSpec:
    """One law by id (`chinchilla_2022/approach1`; a bare id means its default variant), reading only its own file.

    A user's law may say `extends: <id>` and change only some fields. Raises InputError for an unknown id and
    CatalogError for a broken file.
    """
    files = _files(roots)
    stem = law_id.partition("/")[0]
    if stem in files:
        specs = _variants(files[stem], files)
        if law_id in specs:
            return specs[law_id]
        raise unknown("variant of law", law_id, specs)
    raise unknown("law", law_id, _ids(files))


def _ids(files: Mapping[str, Path]) -> Iterator[str]:
    for path in files.values():
        yield from _variants(path, files)


def read_laws(roots: Sequence[Path]) -> list[LawSpec]:
    """All laws and variants, each once, by id."""
    files = _files(roots)
    specs = {spec.id: spec for path in files.values() for spec in _variants(path, files).values()}
    return [specs[key] for key in sorted(specs)]


MOST_LETTERS = 100  # of an id, which names a file


def check_id(law_id: str) -> None:
    """InputError for a name that cannot be a law of one's own."""
    if not law_id.isascii() or not law_id.replace("_", "").replace("-", "").isalnum():
        raise InputError(f"--save {law_id[:60]!r}: use letters, digits, - and _ only")
    if len(law_id) > MOST_LETTERS:
        raise InputError(f"--save {law_id[:60]}...: an id has at most {MOST_LETTERS} letters, not {len(law_id)}")


def check_free(root: Path, name: str) -> None:
    """Raises InputError where a law of one's own has this id already."""
    target = root / FOLDER / f"{name}.yaml"
    if target.exists():
        raise InputError(f"--save {name}: {target} exists; choose another id, or --force to save over it")


def write_law(root: Path, spec: LawSpec) -> Path:
    """Save a law of one's own under `root`/laws, whole or not at all. InputError for an id that cannot be one."""
    check_id(spec.id)
    folder = root / FOLDER
    record = {k: v for k, v in msgspec.to_builtins(spec).items() if v not in (None, "", [], {}, ())}
    import yaml

    lines = yaml.safe_dump(record, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    target = folder / f"{spec.id}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}") from error
    write_whole(target, lines, "--save")
    return target
