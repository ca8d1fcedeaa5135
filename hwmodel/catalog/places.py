"""Where catalogs lie: the shipped one, the user's own, and overlays named on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hwmodel.errors import CatalogError, InputError

# Folders that are read, and the endings of the files that are read in each.
READ = {
    "accelerators": (".yaml",), "systems": (".yaml",), "precisions/training": (".yaml",),
    "precisions/serving": (".yaml",), "models": (".yaml", ".csv"), "laws": (".yaml",), "reliability": (".yaml",),
    "energy": (".yaml", ".csv"), "prices": (".csv",), "precisions": (".csv",), "boxes": (".csv",),
}  # fmt: skip
FOLDERS = tuple(READ)
COMPILED = "compiled"


def catalog_root() -> Path:
    """The shipped catalogs: inside the package (wheel) or beside it (checkout)."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "catalogs", package.parent / "catalogs"):
        if (place / "sources.yaml").is_file():
            return place
    raise CatalogError(f"no catalogs found in {package} or beside it; reinstall hwmodel")


def _absolute(variable: str) -> str:
    """The folder that a variable of the XDG base directory specification names; it says to ignore a relative one."""
    named = os.environ.get(variable, "")
    return named if os.path.isabs(named) else ""


def own_root() -> Path:
    """Where the user's own catalog stands or would stand: `$XDG_DATA_HOME/hwmodel/catalogs`."""
    home = _absolute("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(home) / "hwmodel" / "catalogs"


def user_root() -> Path | None:
    """The user's own catalog, if there is one."""
    place = own_root()
    return place if place.is_dir() else None


def catalog_roots(overlays: Sequence[Path] = ()) -> tuple[Path, ...]:
    """All roots in the order in which they override: shipped, the user's, then each overlay."""
    roots = [catalog_root()]
    own = user_root()
    if own is not None:
        roots.append(own)
    for overlay in overlays:
        place = Path(overlay)
        if not str(overlay) or not _is_folder(place):
            raise InputError(f"--catalog {place}: no such folder; name a folder that holds accelerators/, systems/ ...")
        _check_strays(place)
        roots.append(place.resolve())
    return tuple(roots)


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):
        return False


def _check_strays(root: Path) -> None:
    """Raises CatalogError for a YAML or CSV file of an overlay that stands where nothing reads it, or is no file.

    A CSV beside the folders of an overlay is a table of the user's own, like measured runs, and none of its records.
    """
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in (".yaml", ".yml", ".csv")):
        inside = path.relative_to(root)
        folder = inside.parent.as_posix()
        read = path.name == "sources.yaml" if folder == "." else path.suffix in READ.get(folder, ())
        aside = inside.parts[0] in ("schema", COMPILED) or any(part.startswith(".") for part in inside.parts)
        own = path.suffix == ".csv" and folder == "."
        if read and not aside and not path.is_file():
            raise CatalogError(
                f"{path}: no file that can be read (a folder, a pipe or a link to nothing); take it away"
            )
        if not read and not aside and not own:
            ending = ".csv" if path.suffix.lower() == ".csv" else ".yaml"
            fitting = ", ".join(name for name, endings in READ.items() if ending in endings)
            raise CatalogError(
                f"{path}: nothing reads it there; move it into one of {fitting}"
                + ("" if path.suffix == ending else f" and end its name in {ending}")
            )


def catalog_files(root: Path) -> list[Path]:
    """Every file of one root that the catalog is made of, in a stable order."""
    names: list[Path] = [p for p in (root / "sources.yaml",) if p.is_file()]
    for folder in FOLDERS:
        names += listed(root / folder)
    return names


def listed(folder: Path, suffixes: tuple[str, ...] = (".yaml", ".csv")) -> list[Path]:
    """Files of a folder with one of the suffixes, by name; none where there is no such folder."""
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CatalogError(f"{folder}: cannot be read: {error.strerror}") from error
    return [Path(e.path) for e in entries if e.name.endswith(suffixes) and e.is_file()]


def files_of(roots: Iterable[Path], folder: str, suffix: str) -> list[tuple[int, Path]]:
    """(index of the root, file) of one folder over all roots."""
    return [(i, p) for i, root in enumerate(roots) for p in listed(root / folder) if p.suffix == suffix]


def cache_dir() -> Path:
    """Where parsed catalogs are kept between runs."""
    home = _absolute("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "hwmodel"
