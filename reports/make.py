"""Write the example budgets of this folder and what README quotes of the first, or compare them with fresh ones:
`python reports/make.py [--check]`.

The comparison is by numbers: the same tables with figures that agree to one in a thousand.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import hwmodel as hm
from hwmodel.report import (
    budget_markdown,
    compare_figures,
    compare_markdown,
    diff,
    figure_files,
    plan_figures,
)
from hwmodel.report.plan import plan_markdown
from hwmodel.solve.stages.solver import budget

HERE = Path(__file__).resolve().parent
EXAMPLES: dict[str, dict[str, str]] = {
    "1024xA100-1.4T": {"gpus": "1024xA100", "tokens": "1.4T"},
    "100xA100-30d": {"gpus": "100xA100", "time": "30d"},
    "512xH100-like-70B-serving-20T": {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T"},
    "64xB200-8B": {"gpus": "64xB200", "params": "8B", "tokens": "1T"},
    "512xH100-life-30d-5M": {"gpus": "512xH100", "inference_tokens": "5T", "lifetime_budget": "$5M", "time": "30d"},
    "1024xB200-tenth-less-loss": {"gpus": "1024xB200", "loss_like": "3B@60B", "loss_factor": "0.9"},
    "quantising-llama-2-70b": {"gpus": "2048xB200", "params": "70B", "tokens": "2T", "inference_tokens": "10T"},
    "512xH100-2T-deadline-45d": {
        "gpus": "512xH100",
        "tokens": "2T",
        "deadline": "45d",
        "start": "2027-01-01",
        "confidence": "90%",
    },
    "2048xH100-70B-10T": {"gpus": "2048xH100", "params": "70B", "tokens": "10T"},
    "512xH100-40B-budget-1.5M": {"gpus": "512xH100", "params": "40B", "tokens": "2T", "budget": "$1.5M"},
}
# The same report in another language.
TRANSLATED = {"1024xA100-1.4T-zh": ("1024xA100-1.4T", "zh")}
# What changed between two answers.
DIFFERENCES = {"diff-512xH100-256xB200": ({"gpus": "512xH100", "params": "40B", "tokens": "2T"},
                                          {"gpus": "256xB200", "params": "40B", "tokens": "2T"})}  # fmt: skip
# Several values of options, with a price each.
VALUES: dict[str, dict[str, str]] = {
    "fleets-1024xA100-512xH100-256xB200": {
        "gpus": "1024xA100,512xH100,256xB200",
        "params": "40B",
        "tokens": "2T",
        "usd_per_hour": "a100=1.9,h100=2.9,b200=4.8",
    },
    "places-France-Poland-Oregon": {
        "gpus": "512xH100",
        "model": "Qwen3-32B",
        "tokens": "1T",
        "region": "France,Poland,Oregon",
    },
}
# Serving fleets, with the model in each recipe at its own size.
SERVED: dict[str, dict[str, str]] = {
    "quantising-llama-3.1-70b-h200": {
        "model": "llama-3.1-70b",
        "demand": "200 req/s",
        "parts": "h200",
        "ttft": "1s",
        "tpot": "50ms",
    },
}
# Which precision: the same run in each format.
COMPARISONS: dict[str, dict[str, str]] = {
    "formats-8B-128xB200": {"gpus": "128xB200", "params": "8B", "tokens": "1T", "seq_len": "8192"},
    "formats-70B-1024xB200": {"gpus": "1024xB200", "params": "70B", "tokens": "1.4T", "seq_len": "8192"},
    "formats-405B-4096xGB200": {"gpus": "4096xGB200", "params": "405B", "tokens": "15.6T", "seq_len": "8192"},
    "formats-mixtral-256xB200": {"gpus": "256xB200", "model": "mixtral-8x7b", "tokens": "1T"},
}
# Plan files that stand beside their reports.
BUDGETS = ("seven-stages-rl-32B", "site-of-10MW", "own-2048xH100", "pools-512xH100-1024xA100", "commit-1024xH100")
RECIPES = "bf16,fp8,mxfp8,nvfp4"
EVERY = (*EXAMPLES, *TRANSLATED, *COMPARISONS, *VALUES, *DIFFERENCES, *SERVED, *BUDGETS)
NUMBER = re.compile(r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


def made(name: str) -> tuple[str, dict[str, Any]]:
    """The text of one report and its figures, not yet written."""
    path = HERE / f"{name}.md"
    if name in BUDGETS:
        return budget_markdown(budget(HERE / f"{name}.yaml")), {}
    if name in COMPARISONS:
        compared = hm.compare(**COMPARISONS[name], precision=RECIPES)
        drawn = compare_figures(compared, path)
        return compare_markdown(compared, next((file.name for file, _ in drawn.values()), "")), drawn
    if name in DIFFERENCES:
        first, second = DIFFERENCES[name]
        found = diff.differences(hm.plan(**first), hm.plan(**second))
        return diff.diff_markdown(found, (first["gpus"], second["gpus"])), {}
    if name in VALUES:
        return hm.compare(**VALUES[name]).to_markdown(), {}
    if name in SERVED:
        return hm.serve(**SERVED[name]).to_markdown(), {}
    asked, language = TRANSLATED.get(name, (name, "en"))
    plan = hm.plan(**EXAMPLES[asked])
    drawn = plan_figures(plan, path, language=language)
    return plan_markdown(plan, {key: file.name for key, (file, _) in drawn.items()}, language), drawn


def write(name: str) -> None:
    """One report with its figures."""
    text, drawn = made(name)
    for place, content in figure_files(drawn).items():
        place.write_bytes(content)
    (HERE / f"{name}.md").write_text(text, encoding="utf-8")


def requoted(readme: str, report: str) -> str:
    """README with the figures of its quoted answer as `report` has them: paragraphs by their first words, rows by
    their first cell."""
    paragraphs = [" ".join(p.split()) for p in report.split("\n\n") if not p.startswith(("|", "#", "```"))]
    rows: dict[str, str] = {}
    for line in report.splitlines():
        if line.startswith("| "):
            rows.setdefault(line.split("|")[1].strip(), line)  # of the first table
    lines, kept = readme.split("\n"), []
    place = 0
    while place < len(lines):
        block = [lines[place]]
        if lines[place].startswith("> ") and not lines[place].startswith("> |"):
            while lines[place + len(block)].startswith("> ") and lines[place + len(block)] != ">":
                block.append(lines[place + len(block)])
            said = " ".join(line.removeprefix("> ") for line in block)
            fresh = next((p for p in paragraphs if p.split()[:2] == said.split()[:2]), said)
            if not said.endswith(fresh[-20:]):
                fresh = fresh.split("), ")[0] + ")." if said.startswith("**Layout.**") else fresh
            kept += textwrap.wrap(fresh, 120, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False)
        else:
            label = lines[place].split("|")[1].strip() if lines[place].startswith("> | ") else ""
            kept.append(f"> {rows[label]}" if label and label in rows else lines[place])
        place += len(block)
    return "\n".join(kept)


def numbers(text: str) -> list[float]:
    """Every number of a report, without its version lines."""
    kept = [line for line in text.splitlines() if not line.startswith("hwmodel ")]
    return [float(n.replace(",", "")) for n in NUMBER.findall("\n".join(kept))]


def differences(name: str) -> list[str]:
    """Where the stored report and a fresh one disagree."""
    fresh = numbers(made(name)[0])
    stored = numbers((HERE / f"{name}.md").read_text(encoding="utf-8"))
    if len(fresh) != len(stored):
        return [f"{name}: {len(stored)} numbers stored, {len(fresh)} now"]
    return [f"{name}: {a} stored, {b} now" for a, b in zip(stored, fresh) if abs(a - b) > 1e-3 * max(abs(a), abs(b))]


def main() -> int:
    """Exit 1 when --check finds a difference."""
    if "--check" not in sys.argv[1:]:
        for name in EVERY:
            write(name)
        readme = HERE.parent / "README.md"
        quoted = (HERE / f"{next(iter(EXAMPLES))}.md").read_text(encoding="utf-8")
        readme.write_text(requoted(readme.read_text(encoding="utf-8"), quoted), encoding="utf-8")
        return 0
    found = [line for name in EVERY for line in differences(name)]
    print("\n".join(found) or "reports agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
