"""hwmodel from Python in one minute: a plan, formats side by side, a layout, a serving fleet, a law, a catalog.

Run with `python examples/tour.py`.
"""

from __future__ import annotations

import hwmodel as hm


def main() -> None:
    """Ask one of each and print what a notebook would show."""
    plan = hm.plan(gpus="512xH100", tokens="2T")
    print(plan)
    print(plan.to_text())
    print(plan.to_frame("laws")[["law", "params", "tokens"]].head(3))

    formats = hm.compare(gpus="512xH100", tokens="2T", precision=["bf16", "fp8"])
    print(formats.to_text())
    fleets = hm.compare(gpus=["512xH100", "256xB200"], params="70B", tokens="2T")
    print(fleets.to_frame())

    layout = hm.train(model="llama-3.1-70b", gpus="64xH100", tp=8, seq_len=8192)
    print(layout.to_frame("step"))
    served = hm.serve("llama-3.1-70b", demand="20 req/s", parts=["h100", "h200"])
    print(served)

    best = hm.law.optimum("besiroglu_2024", flops=5.76e23)
    print(best["params"]["value"], best["tokens"]["value"])
    print(hm.load_catalog().to_frame("accelerators").set_index("id")["memory_gb"].head(3))

    try:
        hm.plan(gpus="8xH100", params="405B", tokens="1T")
    except hm.InfeasibleError as error:
        print(f"infeasible ({error.binding}): {error}")


if __name__ == "__main__":
    main()
