"""Quality of serving recipes: bits from bytes, releases in fewer bits, and what nobody measured says so."""

from __future__ import annotations

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.quantised import quantised_rows, read_trained
from hwmodel.errors import CatalogError, InfeasibleError, InputError
from hwmodel.solve.serve.choose import choose
from hwmodel.solve.serve.quality import bits_of, measured_quality, model_quality, published, quality
from hwmodel.solve.serve.question import ServingQuestion

CATALOG = load_catalog()


def recipe(name: str):
    return CATALOG.serving_precision(name)


@pytest.mark.parametrize(
    ("name", "weights", "activations", "cache"),
    [("bf16", 16, 16, 16), ("bf16-kv8", 16, 16, 8), ("fp8", 8, 8, 8), ("w8a16", 8, 16, 16), ("w4a16", 4.16, 16, 16),
     ("w4a8kv4", 4.19, 8, 4.25), ("nvfp4", 4.5, 4, 8), ("mxfp4", 4.25, 16, 16), ("mxfp4-a8", 4.25, 8, 8)],
)  # fmt: skip
def test_bits_come_from_bytes(name, weights, activations, cache):
    found = bits_of(recipe(name))
    assert (found.weights, found.activations, found.cache) == pytest.approx((weights, activations, cache), abs=0.01)


def test_activations_are_charged():
    at = (8e9, 1.5e13)
    loss = {
        name: quality(recipe(name), *at).loss_nats.value for name in ("w4a16", "nvfp4", "mxfp4-a4", "w8a16", "int8")
    }
    assert loss["nvfp4"] > loss["w4a16"]
    assert loss["mxfp4-a4"] > 2.0 * loss["nvfp4"]
    assert loss["int8"] > 10.0 * loss["w8a16"]


def test_eight_bit_weights_alone_are_next_to_free_and_so_is_the_cache():
    assert quality(recipe("w8a16"), 7e10, 1.5e13).loss_nats.high < 0.002
    assert 0.0 < quality(recipe("bf16-kv8"), 8e9, 1.5e13).loss_nats.value < 0.003


def test_a_release_in_fewer_bits_loses_nothing_by_them():
    for model, name in (("gpt-oss-120b", "mxfp4"), ("deepseek-v3", "fp8-block"), ("kimi-k2.5", "w4a16")):
        found = model_quality(CATALOG, recipe(name), model, 1e11, True)
        assert found.native
        assert found.loss_nats.high == 0.0
        assert found.retained_score.value == 1.0
    more = model_quality(CATALOG, recipe("nvfp4"), "deepseek-v3", 6.7e11, True)
    assert not more.native
    assert more.loss_nats.value > 0.0
    # activations in eight bits are not part of a weight-only release
    assert model_quality(CATALOG, recipe("mxfp4-a8"), "gpt-oss-120b", 1.2e11, True).loss_nats.value > 0.0


def test_unknown_training_widens_and_says_so():
    known, unknown = (quality(recipe("w4a16"), 7e9, tokens) for tokens in (2.1e12, None))
    assert known.tokens_known
    assert not unknown.tokens_known
    assert unknown.loss_nats.high / unknown.loss_nats.low > known.loss_nats.high / known.loss_nats.low


def test_what_nobody_measured_says_so():
    assert quality(recipe("nvfp4"), 8e9, 1e13).measured
    two_bits = msgspec.structs.replace(
        recipe("w4a16"), id="w2a8", weight_bytes=0.28, activation_bytes=1.0, weight_only=False
    )
    found = quality(two_bits, 8e9, 1e13)
    assert not found.measured
    assert found.published is None
    assert found.loss_nats.value > quality(recipe("w4a16"), 8e9, 1e13).loss_nats.value


def test_published_rows_of_a_recipe_are_those_of_its_bits():
    for name in ("w8a16", "int8", "fp8", "w4a16", "nvfp4", "bf16-kv8"):
        found = published(recipe(name))
        assert found is not None, name
        assert found.sources
    assert published(recipe("bf16")) is None
    assert measured_quality("no-such-recipe") is None
    # the loss of W8A8 is not that of 8-bit weights
    assert (
        published(recipe("w8a16")).loss_increase_nats.value < 0.2 * published(recipe("int8")).loss_increase_nats.value
    )


def test_rows_that_do_not_count_have_no_voice():
    counted = {row.method for row in quantised_rows() if not row.why_not_counted}
    assert "uint4 RTN" not in counted
    assert "int8 static naive" not in counted


def test_facts_of_a_release_must_name_a_model_and_a_recipe(tmp_path):
    path = tmp_path / "training.csv"
    for model, released, said in (("llama-9", "", "is none of the catalog"), ("known", "int9", "is no serving recipe")):
        path.write_text(f"model,tokens,released_in,source,locator,status\n{model},1e12,{released},a card,,secondary\n")
        with pytest.raises(CatalogError, match=r"training\.csv:2") as error:
            read_trained(path, {"known": "known"}, {"mxfp4"})
        assert said in str(error.value)


def test_limits_on_quality_bind():
    def chosen(**more):
        return choose(ServingQuestion(model="llama-3-70b", prompt_tokens=1000.0, output_tokens=300.0, rate=20.0,
                                      parts=("h100",), **more), CATALOG).found  # fmt: skip

    free, bound = chosen(), chosen(max_loss_nats=0.001)
    assert free.answer.precision != "bf16"
    assert bound.answer.precision == "bf16"
    assert chosen(min_quality=0.9999).answer.precision == "bf16"
    assert free.quality[free.answer.precision].loss_nats.value > 0.001
    with pytest.raises(InfeasibleError, match="loses so little") as error:
        chosen(max_loss_nats=0.001, precisions=("fp8", "w4a16"))
    assert error.value.binding == "quality"
    with pytest.raises(InputError, match="max-loss"):
        chosen(max_loss_nats=-1.0)
