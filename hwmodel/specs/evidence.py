"""A published pair: one training in a low-precision recipe and in 16 bits, same model, data and tokens."""

from __future__ import annotations

import msgspec

LOSS_METRICS = ("train_loss", "val_loss", "perplexity")
SPEED_METRIC = "speedup_end_to_end"
TOKENS_METRIC = "tokens_to_equal_loss"


class PrecisionPair(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `catalogs/precisions/evidence.csv`.

    `change` is the share by which the low-precision run differs from the other: of the loss, of the speed or of the
    tokens to an equal loss (0.0015: 0.15 %). With `bound` upper_bound it is at most that. `group` names the kind of
    recipe: fp8, nvfp4-part (some layers in 16 bits), nvfp4-full, mxfp4, mxfp4-backward. `why_not_counted` is empty for
    a clean pair: same data, order and software, past warm-up, figure read and not recalled.
    """

    source: str
    group: str
    format: str
    metric: str
    change: float
    bound: str = "exact"  # exact | read_off_plot | upper_bound
    model: str = ""
    arch: str = ""
    params: float | None = None
    active_params: float | None = None
    tokens: float | None = None
    recipe: str = ""
    baseline: str = "bf16"
    delta_nats: float | None = None
    part: str = ""
    n_gpus: str = ""
    why_not_counted: str = ""
    status: str = ""
    locator: str = ""

    @property
    def of_loss(self) -> bool:
        return self.metric in LOSS_METRICS

    @property
    def counted(self) -> bool:
        return not self.why_not_counted

    @property
    def publication(self) -> str:
        """The paper or repository page, without the place inside it: what counts as one source."""
        return publication(self.source)


def publication(source: str) -> str:
    """`arXiv 2509.25149 sec. 3, fig. 2` is the paper; another data set of the same authors keeps its name."""
    words = source.split(" ")
    if (
        words[0] == "arXiv"
        and len(words) > 2
        and words[2] in ("sec.", "App.", "fig.", "Table", "abstract", "long", "(Nemotron-H),")
    ):
        return " ".join(words[:2])
    return source.split(",")[0]
