"""Write the example budgets of this folder, or compare them with fresh ones: `python reports/make.py [--check]`.

The comparison is by numbers: the same tables with figures that agree to one in a thousand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import hwmodel as hm
from hwmodel.report import plan_figures, plan_markdown, save_figures

HERE = Path(__file__).resolve().parent
EXAMPLES: dict[str, dict[str, str]] = {
    "1024xA100-1.4T": {"gpus": "1024xA100", "tokens": "1.4T"},
    "100xA100-30d": {"gpus": "100xA100", "time": "30d"},
    "512xH100-like-70B-serving-20T": {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T"},
    "64xB200-8B": {"gpus": "64xB200", "params": "8B", "tokens": "1T"},
}
NUMBER = re.compile(r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


def write(name: str, question: dict[str, str]) -> None:
    """One report with its figures."""
    found = hm.plan(**question)
    path = HERE / f"{name}.md"
    drawn = plan_figures(found, path)
    text = plan_markdown(found, {key: file.name for key, (file, _) in drawn.items()})
    save_figures(drawn)
    path.write_text(text, encoding="utf-8")


def numbers(text: str) -> list[float]:
    """Every number of a report, without its version lines."""
    kept = [line for line in text.splitlines() if not line.startswith("hwmodel ")]
    return [float(n.replace(",", "")) for n in NUMBER.findall("\n".join(kept))]


def differences(name: str, question: dict[str, str]) -> list[str]:
    """Where the stored report and a fresh one disagree."""
    found = hm.plan(**question)
    drawn = plan_figures(found, HERE / f"{name}.md")
    fresh = numbers(plan_markdown(found, {key: file.name for key, (file, _) in drawn.items()}))
    stored = numbers((HERE / f"{name}.md").read_text(encoding="utf-8"))
    if len(fresh) != len(stored):
        return [f"{name}: {len(stored)} numbers stored, {len(fresh)} now"]
    return [f"{name}: {a} stored, {b} now" for a, b in zip(stored, fresh) if abs(a - b) > 1e-3 * max(abs(a), abs(b))]


def main() -> int:
    """Exit 1 when --check finds a difference."""
    if "--check" not in sys.argv[1:]:
        for name, question in EXAMPLES.items():
            write(name, question)
        return 0
    found = [line for name, question in EXAMPLES.items() for line in differences(name, question)]
    print("\n".join(found) or "reports agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
