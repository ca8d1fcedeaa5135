"""Several values of one option side by side, and the price of the difference."""

from __future__ import annotations

from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.report import words
from hwmodel.report.tables import table
from hwmodel.solve.plan.compare_values import Comparison

HEADER = [
    "parameters",
    "tokens",
    "training FLOP",
    "training time",
    "rent",
    "loss (nats/token)",
    "gain",
    "price of the gain",
]
CSV_ANSWER = ("params", "tokens", "train_flop", "accelerators", "train_days", "mfu", "cost_usd", "loss_nats")


def values_table(found: Comparison) -> list[list[str]]:
    """Cells of a comparison of values, the header first."""
    # `--time 10d,30d` beside the training time that comes out, `--tokens` beside tokens: the option is what was given.
    cells = [[*map(_flag, found.options), *HEADER]]
    for row, case in zip(found.rows, found.cases, strict=True):
        a = row["answer"]
        price = f"{row['flop_per_nat']:.3g} FLOP a nat" if row["flop_per_nat"] else words.DASH
        if row["usd_per_nat"]:
            price += f", {words.usd(row['usd_per_nat'])} a nat"
        gain = f"{row['loss_gain_nats']:.3f}" if row["loss_gain_nats"] else words.DASH
        size = [*case, words.count(a.params), words.count(a.tokens), f"{a.train_flop:.3g}"]
        cells.append([*size, words.days(a.train_days), words.usd(a.cost_usd), words.loss(a.loss_nats), gain, price])
    return cells


def _flag(option: str) -> str:
    """An option as it is typed."""
    return f"--{option.replace('_', '-')}"


def values_markdown(found: Comparison) -> str:
    """Values of one option side by side, and the price of the difference."""
    header, *rows = values_table(found)
    notes = "\n".join(f"- {line}" for line in dict.fromkeys(w for one in found.plans for w in one.warnings))
    title = f"{', '.join(map(_flag, found.options))}: {' beside '.join(found.values)}"
    parts = [title, table(header, rows), chances_table(found), notes]
    return markdown_safe("\n\n".join(part for part in parts if part) + "\n")


def chances_table(found: Comparison) -> str:
    """The chance that one value beats another in money, time and loss; empty without fleets."""
    rows = [
        [f"{one.value} against {one.other}", *map(_chance, (one.cheaper, one.sooner, one.lower_loss))]
        for one in found.chances
    ]
    return table(["the chance that", "is cheaper", "ends sooner", "has the lower loss"], rows) if rows else ""


def _chance(share: float | None) -> str:
    """`39 %`; as good as sure or as good as never said so."""
    if share is None:
        return words.DASH
    return "below 1 %" if share < 0.005 else "above 99 %" if share > 0.995 else f"{100 * share:.0f} %"


def values_csv(found: Comparison) -> str:
    """A row a value, plain numbers in base units; an empty cell where there is none."""
    differences = ("loss_gain_nats", "flop_per_nat", "usd_per_nat")
    rows = []
    for row, value in zip(found.rows, found.values, strict=True):
        answers = [words.number(getattr(row["answer"], name)) for name in CSV_ANSWER]
        cells = answers + [row[name] for name in differences]
        rows.append([found.option, value, *("" if cell is None else repr(cell) for cell in cells)])
    return csv_text(["option", "value", *CSV_ANSWER, *differences], rows)
