"""One hand-worked case for each form of a law, every term and every constant of it: round constants, roots that are
whole, and the outputs worked out in the comment beside, not by calling the code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest

from hwmodel.laws.forms import form, form_names

E = math.e
Numbers = dict[str, float]


class Case(NamedTuple):
    """Constants and inputs of a form, and the outputs that they must give."""

    form: str
    constants: Numbers
    inputs: Numbers
    outputs: Numbers


# 8 / 4^0.5 = 4 and 54 / 9^1.5 = 2 above 1.5.
ADDITIVE = {"E": 1.5, "A": 8.0, "alpha": 0.5, "B": 54.0, "beta": 1.5}
# 1/4 - 1/20 = 1/5, so 16 - 1 + 5 = 20 and 1/20 + 1/20 = 1/10: ten experts as they count.
TEN_EXPERTS = {"E_start": 4.0, "E_max": 20.0}
# Bits over gamma less the offset: 4/2 - 1 = 1, 6/3 - 1/2 = 3/2, 8/4 - 7/4 = 1/4.
KUMAR = {
    "gamma_w": 2.0, "n_w": 1.0, "gamma_a": 3.0, "n_a": 0.5, "gamma_kv": 4.0, "n_kv": 1.75, "E": 1.5, "A": 8.0,
    "alpha": 0.5, "B": 27.0, "beta": 0.5, "C_T": 2.0, "gD": 0.5, "gN": 0.25, "gamma_post": 2.0, "b_post": 1.0,
}  # fmt: skip
BITS = {"weight_bits": 4.0, "activation_bits": 6.0, "kv_bits": 8.0}
KUMAR_SHARE = (1 - E**-1) * (1 - E**-1.5) * (1 - E**-0.25)
# 2 x (3.5 + 1/2)^0.5 x (8.5 + 1/2)^0.5 = 2 x 2 x 3 = 12 is how finely the format resolves.
SUN = {"n": 8.0, "alpha": 0.5, "d": 27.0, "beta": 0.25, "epsilon": 1.5, "g": 2.0, "delta": 0.5, "nu": 0.5}
SUN_FORMAT = {"exponent_bits": 3.5, "mantissa_bits": 8.5}
# Effective tokens of 30 drawn from 10: two repeats of a decay of 2. G = A/B = 2 and the useful size 2^2 x 10 = 40: of
# 120 parameters two fortieths too many, of a decay of 4.
REPEATED = {"E": 1.5, "A": 2.0, "alpha": 0.5, "B": 1.0, "beta": 0.5, "RD_star": 2.0, "RN_star": 4.0}
REPEATED_D, REPEATED_N = 10 + 20 * (1 - E**-1), 40 + 160 * (1 - E**-0.5)
# The student alone: 1.5 + 8 / 4 + 4.5 / 3 = 5, of which d1 is 2. With the teacher (12 / 4 + 18 / 3)^0.5 = 3.
DISTILLED = {
    "E": 1.5, "A": 8.0, "alpha": 0.5, "B": 4.5, "beta": 0.5, "d1": 0.4, "f1": 0.5, "c0": 0.5, "c1": 4.0,
    "A_S": 12.0, "alpha_S": 0.5, "B_S": 18.0, "beta_S": 0.5, "gamma_S": 0.5,
}  # fmt: skip
POWERS_OF_FLOP = {"k_params": 3.0, "a_params": 0.5, "k_tokens": 5.0, "a_tokens": 0.25}

CASES = (
    Case("additive", ADDITIVE, {"params": 4, "tokens": 9}, {"loss_nats": 7.5}),
    # (36 / 4)^(1 / 2) = 3 and 18 / 9 = 2: 5 squared.
    Case("kaplan_nd", {"aN": 1, "aD": 2, "Nc": 36, "Dc": 18}, {"params": 4, "tokens": 9}, {"loss_nats": 25}),
    # (12 / 4)^2 = 9 and (32 / 2)^0.5 = 4.
    Case("kaplan_ns", {"aN": 2, "aS": 0.5, "Nc": 12, "Sc": 32}, {"params": 4, "steps": 2}, {"loss_nats": 13}),
    # 100 / 2^2 = 25; at 75 the steps are 1 / (1 + 25 / 75) of all, the compute 1 / (1 + 3).
    Case("kaplan_critical_batch", {"B_star_tokens": 100, "aB": 0.5}, {"loss": 2, "batch_tokens": 75},
         {"critical_batch_tokens": 25, "steps_min_share": 0.75, "flop_min_share": 0.25}),
    Case("kaplan_critical_batch", {"B_star_tokens": 100, "aB": 0.5}, {"loss": 2}, {"critical_batch_tokens": 25}),
    # The root of 8 is 2: 8 + 3 x 2 = 14 in all, 8 + 2 = 10 as the slope. 6 x 8 / 10^2 x 14^4 x (0.5 x 12 / 2)^2.
    Case("embedding_split", {"alpha": 1, "beta": 0.5, "gamma": 3, "A": 2, "B": 12}, {"params": 8},
         {"params_total": 14, "flop_non_embedding": 48 / 100 * 38416 * 9}),
    # 1.5 + (12 / 4)^2; in units of two 1.5 + (12 / 2)^2; with a factor 48 / 2^2; without a floor.
    Case("power_of_params", {"L_inf": 1.5, "x0": 12, "a": 2}, {"params": 4}, {"loss_nats": 10.5}),
    Case("power_of_params", {"L_inf": 1.5, "x0": 12, "a": 2, "unit": 2}, {"params": 4}, {"loss_nats": 37.5}),
    Case("power_of_tokens", {"L_inf": 1.5, "k": 48, "a": 2, "unit": 2}, {"tokens": 4}, {"loss_nats": 13.5}),
    Case("power_of_flop", {"k": 48, "a": 2}, {"flop": 4}, {"loss_nats": 3}),
    # 3 x (8 / 2)^2; 3 x 8^2.
    Case("batch_of_flop", {"k": 3, "a": 2, "unit": 2}, {"flop": 8}, {"batch_tokens": 48}),
    Case("steps_of_flop", {"k": 3, "a": 2}, {"flop": 8}, {"steps": 192}),
    Case("tokens_of_params", {"k": 3, "a": 2}, {"params": 8}, {"tokens": 192}),
    # 16^0.75 and 16^0.25.
    Case("exponent_ratio", {"a_params": 0.75}, {"compute_factor": 16}, {"params_factor": 8, "tokens_factor": 2}),
    Case("vocabulary_ratio", {"a_vocabulary": 0.75}, {"params_factor": 16}, {"vocabulary_params_factor": 8}),
    # (64 / 4)^0.5 = 4 and 16^0.25 = 2; where one is published, the other is C over 6 of it.
    Case("allocation", {**POWERS_OF_FLOP, "flop_unit": 4}, {"flop": 64}, {"params": 12, "tokens": 10}),
    Case("allocation", {"k_params": 2, "a_params": 0.5}, {"flop": 36}, {"params": 12, "tokens": 0.5}),
    Case("allocation", {"k_tokens": 2, "a_tokens": 0.5, "flop_unit": 4}, {"flop": 36}, {"params": 1, "tokens": 6}),
    Case("active_allocation", POWERS_OF_FLOP, {"flop": 16}, {"params": 12, "tokens": 10}),
    # 1/As - 1/Am = 2: 0.25 + 1/2 = 3/4, 4/3 + 2 = 10/3, so 0.3 count as active; g = 2, log10 C = 3:
    # 0.5 + 0.25 x 3 + 0.125 x 4 + 0.125 x 2 = 2, 0.09.
    Case("leverage", {"A_start": 0.25, "A_max": 0.5, "a": 0.5, "d": 0.25, "gamma": 0.125, "beta": 0.125},
         {"flop": 1000, "sparsity": 0.75, "granularity": 4}, {"compute_leverage": 0.09, "dense_equivalent_flop": 90}),
    # 1/40 - 1/200 = 1/50: 151 - 1 + 50 = 200, two of 1/200: a hundred, whose logarithm is 2; that of N 3:
    # -0.5 x 3 + 0.25 x 2 - 0.125 x 6 + 2.75 = 1.
    Case("clark", {"E_start": 40, "E_max": 200, "a": -0.5, "b": 0.25, "c": -0.125, "d": 2.75},
         {"params": 1000, "experts": 151}, {"loss_nats": 10}),
    # (12 / 4^0.5 + 2) / 16^0.5 + 27 / 9^0.5 + 1.5.
    Case("granular", {"g": 12, "gamma": 0.5, "a": 2, "alpha": 0.5, "b": 27, "beta": 0.5, "c": 1.5},
         {"params": 16, "tokens": 9, "granularity": 4}, {"loss_nats": 12.5}),
    # 2 x 10^0.5 x N^(-0.5 + 0.25 ln 10) with N = e^2: 2 x 10^0.5 x e^-1 x 10^0.5; 3 x 10 x D^(-1 - ln 10 / 3) with
    # D = e^3: 30 x e^-3 / 10.
    Case("joint_moe", {**TEN_EXPERTS, "a": 2, "delta": 0.5, "alpha": -0.5, "gamma": 0.25, "b": 3, "omega": 1,
                       "beta": -1, "zeta": -1 / 3, "c": 1.5},
         {"params": E**2, "tokens": E**3, "experts": 16}, {"loss_nats": 1.5 + 20 / E + 3 / E**3}),
    # 8/4 + 27/3 + 3 / 0.25^0.5 + 5 / 0.25^1.5 / 16^0.25 + 1.5 = 2 + 9 + 6 + 20 + 1.5.
    Case("sparsity", {"a": 8, "alpha": 0.5, "b": 27, "beta": 0.5, "c": 3, "lambda": 0.5, "d": 5, "delta": 1.5,
                      "gamma": 0.25, "e": 1.5},
         {"params": 16, "tokens": 9, "sparsity": 0.75}, {"loss_nats": 38.5}),
    Case("repeated", REPEATED, {"params": 120, "tokens": 30, "unique_tokens": 10},
         {"loss_nats": 1.5 + 2 / REPEATED_N**0.5 + 1 / REPEATED_D**0.5, "effective_params": REPEATED_N,
          "effective_tokens": REPEATED_D}),
    Case("repeated", REPEATED, {"params": 16, "tokens": 4}, {"loss_nats": 1.5 + 2 / 4 + 1 / 2}),
    # Fewer drawn than there are: 4 of 10 tokens feed 2^2 x 4 = 16 parameters.
    Case("repeated", REPEATED, {"params": 16, "tokens": 4, "unique_tokens": 10},
         {"loss_nats": 2.5, "effective_params": 16, "effective_tokens": 4}),
    # 3 x 16^0.5 x 81^0.25, and the 16 themselves.
    Case("transfer", {"k": 3, "a": 0.5, "b": 0.25}, {"finetune_characters": 16, "params": 81},
         {"transferred_characters": 36, "effective_characters": 52}),
    Case("kumar", KUMAR, {"params": 16, "tokens": 9, **BITS},
         {"loss_nats": 1.5 + 8 / (16 * KUMAR_SHARE) ** 0.5 + 9, "effective_params_share": KUMAR_SHARE}),
    # 2 x 9^0.5 / 16^0.25 x exp(-4/2 + 1) more.
    Case("kumar", KUMAR, {"params": 16, "tokens": 9, **BITS, "post_bits": 4},
         {"loss_nats": 1.5 + 8 / (16 * KUMAR_SHARE) ** 0.5 + 9 + 3 / E, "effective_params_share": KUMAR_SHARE,
          "post_training_nats": 3 / E}),
    # 81^0.25 / 16^0.5 x 3 / 12 = 3/16 above 8/4 + 27/3 + 1.5; (27 x 12 x 4 / 3)^2 tokens.
    Case("sun", SUN, {"params": 16, "tokens": 81, **SUN_FORMAT, "scale_block": 8},
         {"loss_nats": 12.6875, "penalty_nats": 0.1875, "critical_tokens": 432**2}),
    # One scale a channel counts as a block of 2^13.1567; one for each element costs nothing.
    Case("sun", SUN, {"params": 16, "tokens": 81, **SUN_FORMAT, "scale_block": 0},
         {"loss_nats": 12.5 + 13.1567 / 16, "penalty_nats": 13.1567 / 16, "critical_tokens": (1296 / 13.1567) ** 2}),
    Case("sun", SUN, {"params": 16, "tokens": 81, **SUN_FORMAT, "scale_block": 1},
         {"loss_nats": 12.5, "penalty_nats": 0, "critical_tokens": math.inf}),
    # 2 x 9^0.5 x 4^0.5 / 16^0.25; 2 x 9^0.5 / 16^0.25 / 4^0.5.
    Case("qat", {"k": 2, "gD": 0.5, "gG": 0.5, "gN": 0.25}, {"params": 16, "tokens": 9, "scale_block": 16},
         {"penalty_nats": 6}),
    Case("ptq_power", {"k": 2, "gD": 0.5, "gN": 0.25, "gP": 0.5}, {"params": 16, "tokens": 9, "post_bits": 4},
         {"penalty_nats": 1.5}),
    # Four tokens a parameter, 6 x 2 x 8 FLOPs: 3 x 2 + 4 / 2 = 8 over the root of 96.
    Case("overtraining", {"E": 1.5, "a": 3, "b": 4, "eta": 0.5, "eps": 0.9, "k": 2, "gamma": 3},
         {"params": 2, "tokens": 8},
         {"loss_nats": 1.5 + 8 / 96**0.5, "error": 0.9 - 2 * E ** (-4.5 - 24 / 96**0.5)}),
    # 0.64^-0.5 - 1 = 1/4, half of it 1/8: (7/8)^-4 the tokens; 3^-2 the smallest.
    Case("size_overhead", {"alpha": 0.5, "beta": 0.25}, {"size_factor": 0.64},
         {"tokens_factor": (8 / 7) ** 4, "overhead": 0.64 * (8 / 7) ** 4 - 1, "smallest_size_factor": 1 / 9}),
    Case("exchange", {"train_decades": 3, "inference_decades": 2}, {"inference_factor": 100}, {"train_factor": 1e-3}),
    # 4 + 3 / 0.5 x 3.
    Case("test_time", {"train_over_inference": 3}, {"size_ratio": 4, "inference_ratio": 0.5}, {"samples": 22}),
    Case("coverage", {"a": -2, "b": -0.5}, {"samples": 16}, {"coverage": E**-0.5}),
    Case("sampled_size", {"exponent": 0.5, "exponent_low": 0.25, "exponent_high": 0.75}, {"params": 5, "samples": 16},
         {"equivalent_params": 20, "low_params": 10, "high_params": 40}),
    # -1.2 x 5 + 0.004 x 1,000 + 3.5.
    Case("boardgames", {"train_exponent": -1.2, "per_elo": 0.004, "offset": 3.5}, {"train_flop_s": 1e5, "elo": 1000},
         {"test_flop_s": 10**1.5}),
    # 1 + 0.75 x 2.
    Case("parallel_streams", {"k": 0.75}, {"params": 10, "streams": E**2},
         {"dense_equivalent_params": 25, "dense_equivalent_per_parameter": 2.5, "flop_factor": E**2}),
    # (60 / 20)^2 = 9: a tenth of the gain from 0.2 to 0.8.
    Case("reward_sigmoid", {"A": 0.8, "B": 2}, {"gpu_hours": 20, "midpoint_gpu_hours": 60, "start_reward": 0.2},
         {"reward": 0.26, "share_of_gain": 0.1, "asymptote": 0.8}),
    # Millions: 3 x 4^0.5 sequences of 512; by data 320 / 20 = 16: 3 x 4.
    Case("critical_batch", {"k_sequences": 3, "exponent": 0.5, "sequence_tokens": 512}, {"params": 4e6},
         {"critical_batch_tokens": 3072, "critical_batch_sequences": 6}),
    Case("critical_batch", {"k_sequences": 3, "exponent": 0.5, "sequence_tokens": 512, "tokens_per_param": 20},
         {"params": 1e9, "tokens": 320e6}, {"critical_batch_tokens": 6144, "critical_batch_sequences": 12}),
    # 3 / 16^0.5 x 9^0.5; 2 x 9^1.5.
    Case("step_law", {"k_lr": 3, "lr_params": -0.5, "lr_tokens": 0.5, "k_batch": 2, "batch_tokens": 1.5},
         {"params": 16, "tokens": 9}, {"learning_rate": 2.25, "batch_tokens": 54}),
    # 3 / 16^0.5; 2 x 16^0.75.
    Case("deepseek_settings", {"k_lr": 3, "lr_flop": -0.5, "k_batch": 2, "batch_flop": 0.75}, {"flop": 16},
         {"learning_rate": 0.75, "batch_tokens": 16}),
    # 8 / 16^0.5 x 4^0.5; 3 x 16^0.25 x 4^1.5.
    Case("local_updates",
         {"A": 8, "alpha": 0.5, "beta": 0.5, "k_batch": 3, "batch_params": 0.25, "batch_replicas": 1.5},
         {"params": 16, "replicas": 4}, {"loss_nats": 4, "batch_tokens": 48}),
    Case("decay_timescale", {"k": 3, "a": -0.5}, {"params": 2, "tokens": 32}, {"timescale_share": 0.75}),
    Case("diffusion", {**POWERS_OF_FLOP, "k_loss": 7, "a_loss": -0.25, "k_fid": 9, "a_fid": -0.5}, {"flop": 16},
         {"params": 12, "tokens": 10, "diffusion_loss": 3.5, "fid": 2.25}),
    Case("thresholds", {"one": 4, "other": 32}, {"flop": 16}, {"one": 4, "other": 0.5}),
    # A token is right with one half: three with an eighth, one and a half wrong.
    Case("metric", {}, {"loss": math.log(2), "answer_tokens": 3},
         {"token_accuracy": 0.5, "exact_match": 0.125, "tokens_wrong": 1.5}),
    Case("density", {"per_day": 0.01}, {"days": 200},
         {"density_factor": E**2, "doubling_days": 69.31471805599453}),
    Case("compute_6nd", {"train_flop_per_param_token": 7, "inference_flop_per_param_token": 2.5},
         {"params": 2, "tokens": 3},
         {"train_flop": 42, "train_pf_days": 42 / 8.64e19, "inference_flop_per_token": 5}),
    Case("pf_day", {"flop_per_pf_day": 4}, {"flop": 6}, {"pf_days": 1.5}),
    # 72 x 2 x 9 = 1,296 and 12 x 2 x 3 x 5 = 360.
    Case("deepseek_m", {}, {"layers": 2, "width": 3, "seq_len": 5},
         {"train_flop_per_token": 1656, "params_flop_per_token": 276, "ratio_6n_over_m": 1296 / 1656}),
    # 600 and 12 x 2 x 3 x 4 x 5 = 1,440.
    Case("palm_flop", {}, {"params": 100, "layers": 2, "heads": 3, "head_dim": 4, "seq_len": 5},
         {"train_flop_per_token": 2040, "attention_share": 1440 / 2040}),
    # Recomputed 96 x 2 x 9 (1 + 36/18 + 96/96) = 1,728 x 4; else 72 x 2 x 9 (1 + 2 + 96/72) = 1,296 x 13/3.
    Case("megatron_flop", {}, {"layers": 2, "width": 3, "seq_len": 36, "vocabulary": 96},
         {"train_flop_per_token": 5616, "hardware_flop_per_token": 6912}),
    # exp(0.25 x 4 - 1 + ln 2) = 2 is the power of 3 tokens; exp(-0.5 x 2 + 4); exp(2 x 0.25 - 0.25).
    Case("farseer", {"a1": 0.25, "a": 0.5, "b1": math.log(2) - 1, "a2": -0.5, "b": 0.25, "b2": 4, "a3": 2, "g": -0.5,
                     "b3": -0.25},
         {"params": 16, "tokens": 3}, {"bits_per_character": E**0.25 + E**3 / 9}),
    # 6 x 0.25^0.5 + 2 = 5 over 4, (36/9)^0.5, 1.5; dense ((6 + 2) / 5)^2 = 2.56 as many.
    Case("sparse", {"a_S": 6, "b_S": 0.5, "c_S": 2, "b_N": 0.5, "a_D": 36, "b_D": 0.5, "c": 1.5},
         {"params": 16, "tokens": 9, "sparsity": 0.75},
         {"loss_nats": 4.75, "dense_equivalent_params": 40.96, "dense_equivalent_per_parameter": 2.56}),
    # A teacher at 4, twice d1 L: (1 + 2^2)^-2 = 1/25, 4^-0.5 = 1/2. At 1, half of it: (1 + 1/4)^-2 = 0.64.
    Case("distillation", DISTILLED, {"params": 16, "tokens": 9, "teacher_loss": 4},
         {"loss_nats": 4 + 3 / 50, "supervised_loss_nats": 5}),
    Case("distillation", DISTILLED, {"params": 16, "tokens": 9, "teacher_loss": 1},
         {"loss_nats": 2.92, "supervised_loss_nats": 5}),
    # The mean of 3 and 5 less 0.5, and 8/4 + 27 / (4 + 5)^0.5.
    Case("mixed_modal", {"A": 8, "alpha": 0.5, "B": 27, "beta": 0.5, "C": 0.5},
         {"params": 16, "tokens": 4, "tokens_second": 5, "loss": 3, "loss_second": 5}, {"loss_nats": 14.5}),
    # 12 / (5 + 4)^0.5 + 0.25.
    Case("saturating", {"a": 12, "b": 0.5, "c": 0.25, "d": 4}, {"core_days": 5}, {"error": 4.25}),
    Case("saturating_flop", {"a": 12, "b": 0.5, "c": 0.25, "d": 4, "flop_unit": 2}, {"flop": 10}, {"error": 4.25}),
    Case("effective_params", {"eff": 0.3}, {"params": 10},
         {"dense_equivalent_params": 3, "dense_equivalent_per_parameter": 0.3}),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.form)
def test_a_form_by_hand(case: Case) -> None:
    inputs = {name: float(value) for name, value in case.inputs.items()}
    found = form(case.form).evaluate({name: float(value) for name, value in case.constants.items()}, **inputs)
    assert found == {name: pytest.approx(value, rel=1e-12) for name, value in case.outputs.items()}


def test_every_form_has_a_case() -> None:
    assert sorted({case.form for case in CASES}) == form_names()
