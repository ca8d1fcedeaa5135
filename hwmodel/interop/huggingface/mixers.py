"""Mixers without a cache: linear attention, state-space layers, recurrences and convolutions of one layer.

Each gives the parameters of its matrix products, the FLOPs of its scan a token, the elements of state that a sequence
keeps, and the parameters beside. A scan over a state of K x V costs decay, input and read; delta rules a recall more.
"""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family
from hwmodel.interop.huggingface.fields import Fields, head_width, heads, width

_SCAN_FLOP, _DELTA_FLOP = 5, 7  # a state element and token: decay, input (2), read (2); and recall (2)


def _mixer(products: float, scan: float, state: float, extra: float, kernel: int, channels: float) -> Fields:
    """A mixer behind a short convolution of `kernel` steps over `channels`, whose weights are counted here."""
    return {
        "mixer_params": products,
        "mixer_flop_per_token": scan + 2 * kernel * channels,
        "mixer_state_elements": state + channels * (kernel - 1),
        "extra_params": extra + channels * kernel,
    }


def delta(c: Config) -> Fields:
    """Gated delta-rule linear attention (Qwen3-Next, OLMo hybrid): a matrix state a value head."""
    k_heads, v_heads = c.number("linear_num_key_heads"), c.number("linear_num_value_heads")
    k_dim, v_dim = c.number("linear_key_head_dim"), c.number("linear_value_head_dim")
    kernel = c.number("linear_conv_kernel_dim", default=4, high=1000)
    keys, values = k_heads * k_dim, v_heads * v_dim
    channels = 2 * keys + values
    products = width(c) * (channels + values + 2 * v_heads) + values * width(c)
    state = v_heads * k_dim * v_dim
    return _mixer(products, _DELTA_FLOP * state, state, 2 * v_heads + v_dim, kernel, channels)


def kda(c: Config) -> Fields:
    """Kimi delta attention: a gate for every channel, through a narrow product (Kimi) or a whole one (Bailing)."""
    inner = c.nested("linear_attn_config")
    source = inner if inner is not None else c
    n = source.number("num_heads", "linear_num_heads", "num_attention_heads", high=10_000)
    dim = source.number("linear_head_dim", "head_dim", high=100_000)
    kernel = source.number("short_conv_kernel_size", "linear_conv_kernel_dim", default=4, high=1000)
    d, wide = width(c), n * dim
    whole = c.has("kda_safe_gate", "layer_group_size")  # Bailing; Kimi K3 has a whole output gate alone
    low, high = d * dim + dim * wide, d * wide
    gates = (high if whole else low) + (high if whole or source.flag("use_full_rank_gate") else low)
    products = d * (3 * wide + n) + gates + wide * d
    return _mixer(products, _DELTA_FLOP * n * dim * dim, n * dim * dim, wide + n + dim, kernel, 3 * wide)


def lightning(c: Config) -> Fields:
    """Lightning attention (MiniMax-01): a decayed sum of key-value products, an output gate and a norm."""
    n, dim, d = heads(c), head_width(c), width(c)
    products = d * 3 * n * dim + 2 * d * n * dim
    return _mixer(products, _SCAN_FLOP * n * dim * dim, n * dim * dim, n * dim, 0, 0)


def _conv_kernel(c: Config) -> int:
    return c.number("mamba_d_conv", "conv_kernel", "d_conv", default=4, high=1000)


def _inner(c: Config, *stated: str) -> int:
    """Channels of the scan: stated, else the model width times a factor."""
    if stated and c.has(*stated):
        return c.number(*stated)
    return int(c.factor("mamba_expand" if c.has("mamba_expand") else "expand", 2.0) * width(c))


def mamba2(c: Config, family: Family) -> Fields:
    """Mamba-2 state-space mixer: a state of channels by `state` a head, groups of shared inputs."""
    n = c.number("mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads", high=100_000)
    dim = c.raw("mamba_head_dim", "mamba_d_head", "mamba_headdim")
    if dim in (None, "auto"):
        dim = c.raw("head_dim") if c.has("state_size") else _inner(c, "mamba_d_ssm") // n
    wide = n * c.check(dim, "mamba_head_dim")
    groups = c.number("mamba_n_groups", "mamba_ngroups", "n_groups", default=1, high=100_000)
    state = c.number("mamba_d_state", "ssm_state_size", "state_size", high=100_000)
    d, kernel, channels = width(c), _conv_kernel(c), wide + 2 * groups * state
    bias = channels if c.flag("use_conv_bias", "mamba_conv_bias", default=True) or family.conv_bias else 0
    named = c.flag("mamba_proj_bias", "add_bias_linear") and family.bias != "networks"  # Nemotron-H reads the other
    biased = named or c.flag("use_bias")
    bias += biased * (wide + channels + n) + c.flag("projectors_bias", default=biased) * d
    norm = wide if c.flag("mamba_rms_norm", default=True) else 0
    products = d * (wide + channels + n) + wide * d
    c.raw("mamba_expand", "expand", "mamba_d_ssm", "time_step_rank")
    return _mixer(products, _SCAN_FLOP * wide * state, wide * state, bias + 3 * n + norm, kernel, channels)


def mamba1(c: Config, kind: str) -> Fields:
    """Mamba state-space mixer: a state of `state` a channel, its step through a narrow product."""
    # A file of state-space layers alone may state their channels where others state their networks.
    stated = ("intermediate_size",) if kind in ("mamba", "falcon_mamba") else ()
    d, wide, kernel = width(c), _inner(c, *stated), _conv_kernel(c)
    state = c.number("mamba_d_state", "state_size", high=100_000)
    rank = c.raw("mamba_dt_rank", "time_step_rank")
    rank = -(-d // 16) if rank in (None, "auto") else c.check(rank, "mamba_dt_rank")
    bias = wide if c.flag("mamba_conv_bias", "use_conv_bias", default=True) else 0
    if c.flag("mamba_proj_bias", "use_bias"):
        bias += 2 * wide + d
    step_norms = rank + 2 * state if kind == "jamba" else 0
    products = 2 * d * wide + wide * (rank + 2 * state) + rank * wide + wide * d
    extra = bias + wide + wide * state + wide + step_norms
    c.raw("n_mamba_heads", "expand")
    return _mixer(products, _SCAN_FLOP * wide * state, wide * state, extra, kernel, wide)


def conv(c: Config) -> Fields:
    """Gated short convolution (LFM2): two gates around a convolution over the model's channels."""
    d, kernel = width(c), c.number("conv_L_cache", default=3, high=1000)
    bias = 5 * d if c.flag("conv_bias") else 0
    return _mixer(4 * d * d, 2 * d, 0, bias, kernel, d)


def linear_recurrence(c: Config) -> Fields:
    """Gated linear recurrence (Griffin, RecurrentGemma): two gates, each a product within a head."""
    d, wide, n = width(c), c.number("lru_width", default=width(c)), heads(c)
    kernel = c.number("conv1d_width", default=4, high=1000)
    products = 3 * d * wide + 2 * wide * wide / n
    return _mixer(products, 12 * wide, wide, 2 * wide + d + wide + 3 * wide, kernel, wide)


def matrix_lstm(c: Config) -> Fields:
    """Matrix memory of xLSTM: keys and queries narrower than values, an input and a forget gate a head."""
    d, n = width(c), heads(c)
    keys, values = int(c.factor("qk_dim_factor", 0.5) * d), int(c.factor("v_dim_factor", 1.0) * d)
    products = d * (2 * keys + 2 * values + 2 * n) + values * d
    state = keys * values / n
    # With biases: those of the products that have none else, of the norm of heads and of both norms of the layer.
    biases = 2 * keys + 3 * values + 3 * d if c.flag("use_bias") else 0
    return _mixer(products, _SCAN_FLOP * state, state + keys + n, 2 * n + values + biases, 0, 0)


def rwkv(c: Config) -> Fields:
    """Time mixing of RWKV-4, and the receptance of its channel mixing: elementwise recurrences."""
    d = width(c)
    wide = c.number("attention_hidden_size", default=d)
    return {
        "mixer_params": 4 * d * wide + d * d,
        "mixer_flop_per_token": 16 * wide,
        "mixer_state_elements": 3 * wide + 2 * d,
        "extra_params": 2 * wide + 5 * d,
    }


def linear(c: Config, family: Family, kind: str) -> Fields:
    """The mixer that words such as "linear_attention" mean in this file: by its family, else by its keys."""
    makers: dict[str, Callable[[], Fields]] = {
        "delta": lambda: delta(c), "kda": lambda: kda(c), "lightning": lambda: lightning(c),
        "mamba2": lambda: mamba2(c, family), "mamba1": lambda: mamba1(c, kind), "mlstm": lambda: matrix_lstm(c),
        "rwkv": lambda: rwkv(c),
    }  # fmt: skip
    return makers[family.linear or _by_keys(c)]()


def _by_keys(c: Config) -> str:
    if c.has("linear_num_key_heads") and c.has("linear_num_value_heads"):
        return "delta"
    if c.has("linear_attn_config", "linear_head_dim"):
        return "kda"
    if c.has("mamba_num_heads", "mamba_n_heads", "n_mamba_heads") and c.has("mamba_d_state", "ssm_state_size"):
        return "mamba2"
    if c.has("mamba_dt_rank", "time_step_rank") and c.has("mamba_d_state", "state_size"):
        return "mamba1"
    raise c.fail(
        "layers without softmax attention, but no dimensions of their mixer that are known (mamba_d_state, ...)"
    )
