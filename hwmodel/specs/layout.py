"""How a training step is spread over accelerators: the layout, and the sizes that it is made of with their words.

A new parallel dimension is a field of `Layout`, a row of `SIZES`, its choices in `predict.layouts`, its option in
`solve.question.options`, and the physics of what it costs: every command, page, table and sweep reads `SIZES`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hwmodel.ops import Num

# Pipeline schedules by the words of `--schedule`; a layout holds the place of its own (`physics.schedule` has what each
# costs). Interleaving is 1F1B with virtual stages.
SCHEDULES = ("1f1b", "zb-h1", "zb-h2", "dualpipe", "dualpipev")
ONE_F_ONE_B, ZB_H1, ZB_H2, DUALPIPE, DUALPIPE_V = (float(place) for place in range(len(SCHEDULES)))


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is spread over accelerators; every field is a number or a column of numbers.

    The fleet is tp * cp * pp * dp; experts are sharded `ep` ways inside dp * cp (and `etp` inside tp).
    `zero` is the ZeRO stage (0: all replicated, 1: optimizer, 2: and gradients, 3: and weights, as FSDP).
    What the backward pass computes again instead of keeping it: `recompute_layers`, a share of the layers, whole; of
    the other layers the modules that are 1. `offload_` 1: kept in host memory, activations between the passes,
    optimizer states always.
    """

    tp: Num = 1.0
    cp: Num = 1.0
    pp: Num = 1.0
    vpp: Num = 1.0
    ep: Num = 1.0
    etp: Num = 1.0
    dp: Num = 1.0
    zero: Num = 1.0
    micro_batch: Num = 1.0
    sequence_parallel: Num = 1.0
    schedule: Num = ONE_F_ONE_B  # place in SCHEDULES
    recompute_layers: Num = 0.0
    recompute_products: Num = 0.0  # a share of every layer's products, attention apart
    recompute_norms: Num = 0.0
    recompute_activation: Num = 0.0
    recompute_attention: Num = 0.0  # the attention core
    recompute_up_projections: Num = 0.0  # from latents to heads (multi-head latent attention)
    recompute_mlp: Num = 0.0  # the whole dense feed-forward network
    recompute_shared_experts: Num = 0.0
    recompute_experts: Num = 0.0  # routed experts with their router, dispatch and combine
    offload_activations: Num = 0.0
    offload_optimizer: Num = 0.0

    @property
    def accelerators(self) -> Num:
        return self.tp * self.cp * self.pp * self.dp


class PlanLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout as an answer shows it, in whole numbers and the words of the options."""

    tp: int
    cp: int
    pp: int
    vpp: int
    ep: int
    etp: int
    dp: int
    zero: int
    micro_batch: int
    global_batch_seqs: int
    recompute: str
    offload: str
    schedule: str


class TrainLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout under the names of the command line; sizes as numbers, for a given one may be no whole number."""

    tp: float
    cp: float
    pp: float
    vpp: float
    ep: float
    etp: float
    dp: float
    zero: float
    micro_batch: float
    sequence_parallel: float
    recompute: str
    offload: str
    schedule: str
    global_batch_seqs: float


class Size(NamedTuple):
    """A size of the layout as it is asked for and shown."""

    name: str  # field of Layout, and of the answers
    words: str  # in a line of words
    label: str  # of a field on the page
    meaning: str  # in the help of a command and in the schema of a sweep
    explains: str  # what it does, for those who do not know
    example: str = "1"
    asked: bool = True  # False: it follows from the others
    always: bool = False  # shown where it is 1 too
    experts: bool = False  # means something to mixtures alone
    rare: bool = False  # listed only where it is more than 1
    refines: bool = False  # an option that --help leaves to --help-all


SIZES = (
    Size("tp", "TP {count}", "Tensor parallel", "Tensor-parallel size", "Splits every product.", "8", always=True),
    Size("cp", "CP {count}", "Context parallel", "Context-parallel size", "Splits long sequences.", refines=True),
    Size("pp", "PP {count}", "Pipeline parallel", "Pipeline-parallel size", "Splits the layers.", "4", always=True),
    Size(
        "vpp", " ({count} virtual stages a rank)", "Virtual stages", "Virtual pipeline stages a rank",
        "Pieces that each pipeline rank holds: more of them shorten the bubble.", "2",
        refines=True,
    ),
    Size("ep", "EP {count}", "Expert parallel", "Expert-parallel size", "Splits the experts.", "8", experts=True),
    Size(
        "etp", "ETP {count}", "Tensor parallel inside an expert", "Tensor-parallel size inside an expert",
        "Splits the products of one expert.", experts=True,
        rare=True, refines=True,
    ),
    Size(
        "dp", "DP {count}", "Data parallel", "Data-parallel size", "Copies that share each batch.", "8", asked=False,
        always=True,
    ),
    Size(
        "zero", "ZeRO {count}", "ZeRO stage", "ZeRO stage, 0 to 3",
        "What replicas share: 0 nothing, 1 optimizer, 2 also gradients, 3 also weights.", always=True,
    ),
    Size(
        "micro_batch", "micro-batch {count}", "Micro-batch (sequences)", "Sequences of one micro-batch",
        "Sequences that one replica takes at once.", always=True, refines=True,
    ),
)  # fmt: skip
NAMES = tuple(size.name for size in SIZES)
ASKED = tuple(size.name for size in SIZES if size.asked)  # options of the verbs
RARE = tuple(size.name for size in SIZES if size.rare)
SPLITS = ("tp", "cp", "pp", "dp")  # whose product is the accelerators


def sizes_of(layout: Layout | PlanLayout | TrainLayout) -> dict[str, Num]:
    """The sizes of a layout by name: numbers, or columns of them."""
    return {name: getattr(layout, name) for name in NAMES}


def plan_layout(layout: Layout, global_batch_seqs: float, recompute: str, offload: str) -> PlanLayout:
    """One layout in whole numbers."""
    whole = {name: int(size) for name, size in sizes_of(layout).items()}
    return PlanLayout(
        **whole, global_batch_seqs=int(global_batch_seqs), recompute=recompute, offload=offload,
        schedule=schedule_word(layout),
    )  # fmt: skip


def schedule_word(layout: Layout) -> str:
    """The word of `--schedule` that a layout runs."""
    return SCHEDULES[int(layout.schedule)]


def layout_line(layout: PlanLayout | TrainLayout) -> str:
    """A layout in a line, under the names of the command line; rare sizes only where they are over 1."""
    sizes = sizes_of(layout)
    shown = (size.name for size in SIZES if not size.rare or sizes[size.name] > 1)
    return ", ".join(f"{name} {sizes[name]:g}" for name in shown)
