"""A serving question as typed, or as numbers, read and answered: one configuration predicted, or a fleet chosen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import msgspec
from msgspec.structs import asdict, replace

from hwmodel.answers import Shown
from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import InputError, unknown
from hwmodel.plain import JsonObject, listed
from hwmodel.solve.question.options import Folders, Quantity, ServiceAsked, ServiceOptions
from hwmodel.solve.question.rates import known_kind, parse_rates
from hwmodel.solve.question.typed import fleet_of, parse_demand
from hwmodel.solve.serve.choose import cheapest_fleet, choose
from hwmodel.solve.serve.fixed import chosen_rows, predicted_rows
from hwmodel.solve.serve.predict import Workers, predict
from hwmodel.solve.serve.question import PoolLimit, ServingQuestion, read_date, read_histogram, read_pool
from hwmodel.solve.serve.records import EngineFound, FleetFound, FleetRow, PredictedRow
from hwmodel.solve.serve.sharing import FreshPasses
from hwmodel.units import parse_count, parse_duration_s, parse_fraction, parse_usd, within


class Served(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A serving question and its answer."""

    __repr__ = Shown.__repr__

    question: ServingQuestion
    found: FleetFound | EngineFound

    @property
    def answer(self) -> FleetRow | PredictedRow:
        """The fleet chosen, or the configuration predicted."""
        return self.found.answer

    def contents(self) -> object:
        """What is written as JSON: request, resolved names, answer."""
        return {"request": _request(self.question), **asdict(self.found)}


def _request(question: ServingQuestion) -> JsonObject:
    """The question in plain JSON types, without what says nothing."""
    asked = {
        f: getattr(question, f)
        for f in question.__struct_fields__
        if f not in ("shape", "lengths", "prefill", "decode") and getattr(question, f) not in (float("inf"), (), None)
    }
    for name in ("prefill", "decode"):
        pool = getattr(question, name)
        if pool is not None:
            asked[name] = {"part": pool.part, "most": None if pool.most == float("inf") else pool.most}
    if question.lengths is not None:
        asked |= {"prompt_tail_tokens": question.prompt_tail_tokens, "longest_tokens": question.longest_tokens}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asked.items()}


def serve(
    *,
    model: str,
    demand: Quantity | None = None,
    concurrency: Quantity | None = None,
    gpus: Quantity | None = None,
    pools: str | None = None,
    prefill_tp: Quantity | None = None,
    catalogs: Folders = (),
    **given: Unpack[ServiceAsked],
) -> Served:
    """Choose a fleet for a `demand` (requests a second), or predict one configuration at a `concurrency` (clients).

    Options are those of `hwmodel serve`, as typed or as numbers. Raises InputError for what cannot be read and
    InfeasibleError where no fleet meets the limits.
    """
    question, loop, folders = read_asked(
        model=model, demand=demand, concurrency=concurrency, gpus=gpus, pools=pools, prefill_tp=prefill_tp,
        catalogs=catalogs, **given,
    )  # fmt: skip
    catalog = load_catalog(folders)
    if loop is None:
        one = choose(question, catalog)
        return Served(question=question, found=replace(one.found, fixed=chosen_rows(question, one, catalog)))
    found = predict(question, catalog, *loop)
    return Served(question=question, found=replace(found, fixed=predicted_rows(question, found, catalog, *loop)))


class ClosedLoop(NamedTuple):
    """Clients, workers of prefill and decode, tensor-parallel size of prefill workers, accelerators."""

    clients: float
    workers: Workers | None
    prefill_tp: float | None
    accelerators: float | None


class AskedService(NamedTuple):
    """A question, what runs where one configuration is predicted (None: a fleet is chosen), and catalog overlays."""

    question: ServingQuestion
    loop: ClosedLoop | None
    catalogs: tuple[Path, ...]


def answer_alone(asked: AskedService, catalog: Catalog, passes: FreshPasses) -> FleetRow | PredictedRow:
    """The answer of `serve`, without what it shows beside it; `passes`: what questions of this catalog share."""
    if asked.loop is None:
        return cheapest_fleet(asked.question, catalog, passes)
    return predict(asked.question, catalog, *asked.loop).answer


def read_asked(
    *,
    model: str,
    demand: Quantity | None = None,
    concurrency: Quantity | None = None,
    gpus: Quantity | None = None,
    pools: str | None = None,
    prefill_tp: Quantity | None = None,
    catalogs: Folders = (),
    **given: Unpack[ServiceAsked],
) -> AskedService:
    """The options of `serve` read, without the catalog. Raises InputError."""
    if (demand is None) == (concurrency is None):
        raise InputError("say either --demand (choose a fleet) or --concurrency (predict one configuration)")
    if demand is not None and (pools is not None or prefill_tp is not None):
        raise InputError("--pools and --prefill-tp belong to --concurrency (a prediction); --demand sizes pools itself")
    if demand is not None and gpus is not None:
        raise InputError(
            "--gpus counts the accelerators of a prediction (--concurrency); --demand finds how many it takes: "
            "name the part alone, like --part H200"
        )
    if demand is not None and given.get("rounds") is not None:
        raise InputError("--rounds belongs to --concurrency: how often each of so many clients asks")
    fleet, part = (None, None) if gpus is None else _fleet(_text(gpus))
    if part is not None and given.get("parts"):
        raise InputError(f"--gpus {gpus} names its accelerator: drop --part {given['parts']}, or the part of --gpus")
    if concurrency is not None:
        _refuse_limits(given)
    if given.get("draft_tokens", 0.0) in (0, "0", "0.0") and str(given.get("acceptance", 0.7)) != "0.7":
        raise InputError("--acceptance is that of drafts: add --draft-tokens, like --draft-tokens 1")
    _refuse_region(given)
    asked: ServiceAsked = given if part is None else {**given, "parts": part}
    question = read_question(model, demand, **asked)
    folders = tuple(Path(str(one)) for one in listed(catalogs))
    if concurrency is None:
        return AskedService(question, None, folders)
    clients = within(parse_count(_text(concurrency), "--concurrency"), "requests", concurrency, "--concurrency")
    loop = ClosedLoop(clients, _workers(pools), _number(prefill_tp, "--prefill-tp"), fleet)
    return AskedService(question, loop, folders)


def read_question(model: str, demand: Quantity | None = None, **given: Unpack[ServiceAsked]) -> ServingQuestion:
    """The question of these options. Raises InputError."""
    names = ServiceOptions.__annotations__
    strange = next((name for name in given if name not in names), None)
    if strange is not None:
        raise unknown("option", strange, names, "serve")
    histogram, date = given.get("histogram"), given.get("engine_date")
    lengths = None if histogram is None else read_histogram(histogram)
    return ServingQuestion(
        model=model,
        shape=given.get("shape"),
        prompt_tokens=_count(given.get("input", "1k"), "--input") if lengths is None else lengths.prompt_tokens,
        output_tokens=_count(given.get("output", "300"), "--output") if lengths is None else lengths.output_tokens,
        lengths=lengths,
        rate=1.0 if demand is None else parse_demand(_text(demand)),
        ttft_s=_limit(given.get("ttft"), "--ttft"),
        tpot_s=_limit(given.get("tpot"), "--tpot"),
        percentile=(_number(given.get("p", CHOOSES["p"]), "--p") or 0.0) / 100.0,
        peak_to_mean=_number(given.get("peak_to_mean", CHOOSES["peak_to_mean"]), "--peak-to-mean") or 0.0,
        spares=_whole(given.get("spares", CHOOSES["spares"]), "--spares"),
        max_loss_nats=_nats(given.get("max_loss")),
        min_quality=_share(given.get("min_quality"), "--min-quality"),
        draft_tokens=_number(given.get("draft_tokens", 0.0), "--draft-tokens") or 0.0,
        acceptance=_number(given.get("acceptance", 0.7), "--acceptance") or 0.0,
        hit_rate=_hit_rate(_text(given.get("prefix_hit", "0%")).strip()),
        engine=given.get("engine", "generic"),
        disaggregated=given.get("disaggregated"),
        engine_year=0.0 if date is None else read_date(date, "--engine-date"),
        prefill=_pool(given.get("prefill"), "--prefill"),
        decode=_pool(given.get("decode"), "--decode"),
        rounds=_some(given.get("rounds"), "--rounds"),
        max_running=_running(given.get("max_running")),
        step_tokens=_some(given.get("step_tokens"), "--step-tokens"),
        api_price=_api_price(given.get("api_price")),
        tp=_number(given.get("tp"), "--tp"),
        pp=_number(given.get("pp"), "--pp"),
        dp=_number(given.get("dp"), "--dp"),
        ep=_number(given.get("ep"), "--ep"),
        parts=_names(given.get("parts")),
        prices=parse_rates(given.get("usd_per_hour")),
        price_kind=known_kind(given.get("price_kind")),
        price_file=given.get("prices"),
        region=given.get("region"),
        precisions=_names(given.get("precision")),
    )


# What a fleet is chosen by; a prediction of one configuration has no use for it.
CHOOSES = {"p": 95.0, "peak_to_mean": 1.0, "spares": 1, "max_loss": None, "min_quality": None}


def _refuse_region(given: ServiceAsked) -> None:
    """Raise InputError for a region that no price is left to depend on."""
    if given.get("region") is None:
        return
    for name in ("usd_per_hour", "prices"):
        if given.get(name) is not None:
            raise InputError(
                f"--region chooses among the catalog's quotes, and --{name.replace('_', '-')} gives the price: drop one"
            )


def _refuse_limits(given: ServiceAsked) -> None:
    """Raise InputError for a limit beside --concurrency, which would be passed over."""
    for name, usual in CHOOSES.items():
        value = given.get(name, usual)
        if value is not None and str(value) not in (str(usual), f"{usual:g}" if usual else ""):
            raise InputError(
                f"--{name.replace('_', '-')} chooses a fleet for --demand; --concurrency predicts one configuration as "
                f"it is: drop it, or ask with --demand"
            )


def _fleet(text: str) -> tuple[float, str | None]:
    """Accelerators of --gpus, and their part where `8xH100` names it. Raises InputError."""
    if not any(letter.isalpha() for letter in text.rstrip("kKmM")):
        return parse_count(text, "--gpus"), None
    count, part = fleet_of(text)
    if count is None:
        raise InputError(
            f"--gpus {part} has no count: a prediction is of so many, like --gpus 8xH200, or of --part H200 alone"
        )
    return count, part


def _text(value: Any) -> str:
    """A value as it would be typed."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _number(value: Any, flag: str) -> float | None:
    """A number as it stands or as typed; None where it is not given. Raises InputError for what is none."""
    if value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        raise InputError(f"{flag} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise InputError(f"{flag} must be a finite number, not {value!r}")
    return number


def _count(value: Any, flag: str) -> float:
    """A count of tokens or requests, like 1k. Raises InputError."""
    return parse_count(_text(value), flag)


def _running(value: Any) -> float | None:
    """Requests that an engine runs at once; None where it is not given. Raises InputError."""
    return None if value is None else within(_count(value, "--max-running"), "requests", value, "--max-running")


def _some(value: Any, flag: str) -> float | None:
    """The same; None where it is not given."""
    return None if value is None else _count(value, flag)


def _share(value: Any, flag: str) -> float | None:
    """A share, like 99%; None where it is not given. Raises InputError."""
    return None if value is None else parse_fraction(_text(value), flag)


def _pool(text: str | None, flag: str) -> PoolLimit | None:
    """The part and the most of it that a pool may take; None where nothing is said. Raises InputError."""
    return None if text is None else read_pool(text, flag)


def _whole(value: Any, flag: str) -> int:
    """A whole number. Raises InputError."""
    number = _number(value, flag)
    if number is None or not number.is_integer():
        raise InputError(f"{flag} must be a whole number, not {value!r}")
    return int(number)


def _limit(value: Any, flag: str) -> float:
    """A limit on a latency in seconds, infinite where none is given. Raises InputError."""
    if value is None:
        return float("inf")
    return parse_duration_s(_text(value), flag, "1s or 50ms")


def _hit_rate(text: str) -> float:
    """Share of prompt tokens that a cache holds; zero may be said."""
    return 0.0 if text in ("0", "0%") else parse_fraction(text, "--prefix-hit")


def _workers(text: str | None) -> tuple[int, int] | None:
    """Prefill and decode workers of --pools. Raises InputError."""
    if text is None:
        return None
    prefill, _, decode = text.partition(":")
    if not (prefill.isdecimal() and decode.isdecimal() and int(prefill) and int(decode)):
        raise InputError(f"cannot read --pools {text!r}; write it like 2:3 (prefill workers to decode workers)")
    return int(prefill), int(decode)


def _nats(value: Any) -> float | None:
    """Nats a token of --max-loss. Raises InputError."""
    if value is None:
        return None
    try:
        return float(str(value))
    except ValueError:
        raise InputError(f"cannot read --max-loss {value!r}; write it like 0.01 (nats a token)") from None


def _api_price(text: str | None) -> tuple[float, float] | None:
    """Dollars a million tokens in and out. Raises InputError."""
    if text is None:
        return None
    prompt, comma, output = text.partition(",")
    if not comma:
        raise InputError(f"cannot read --api-price {text!r}; write dollars a million tokens in and out, like 0.6,2.4")
    return parse_usd(prompt.strip(), "--api-price"), parse_usd(output.strip(), "--api-price")


def _names(text: str | None) -> tuple[str, ...]:
    """What commas separate."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())
