"""A fit as a figure: measured against fitted losses, and the fit along compute with its band."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from hwmodel.laws.fit_loss import LossFit


def fit_svg(fit: LossFit, loss: NDArray[numpy.float64], **columns: NDArray[numpy.float64]) -> str:
    """SVG text. `columns` are the runs' params and tokens (additive fits) or the one variable of the fit."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "hwmodel"
    import matplotlib.pyplot as plt
    import numpy as np

    from hwmodel.laws.fit_loss import predict

    middle, low, high = predict(fit, 0.8, **columns)
    x = 6.0 * columns["params"] * columns["tokens"] if fit.form == "additive" else next(iter(columns.values()))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8))
    order = np.argsort(x)
    left.fill_between(x[order], low[order], high[order], alpha=0.2, linewidth=0, label="80 %")
    left.plot(x[order], middle[order], ".", markersize=3, label="fit")
    left.plot(x, loss, "+", markersize=4, label="runs")
    left.set(xscale="log", xlabel="training FLOP" if fit.form == "additive" else fit.form.removeprefix("power_of_"))
    left.set(ylabel="loss [nats/token]")
    left.legend(frameon=False)
    right.plot(middle, 100.0 * (loss / middle - 1.0), ".", markersize=4)
    right.axhline(0.0, linewidth=0.8)
    right.set(xlabel="fitted loss [nats/token]", ylabel="measured above fit [%]")
    figure.tight_layout()
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": "hwmodel"})
    plt.close(figure)
    return stream.getvalue()
