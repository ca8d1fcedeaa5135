"""Every topic is answered or refused with its reason, and names only laws, claims and sources that exist."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hwmodel.catalog import load_catalog
from hwmodel.catalog.topics import read_history, read_topics, topic_named
from hwmodel.cli.claims import command as claims
from hwmodel.cli.law import command as law
from hwmodel.errors import InputError
from hwmodel.validation.claims.check import read_claims

TOPICS = read_topics()
LAWS = [s.id for s in load_catalog().laws()]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.id)
def test_a_topic_is_answered_or_refused_and_names_what_exists(topic):
    assert topic.answer or topic.missing
    for name in topic.laws:
        assert any(i == name or i.startswith(f"{name}/") for i in LAWS), name
    assert set(topic.claims) <= {c.id for c in read_claims()}
    rows = CliRunner().invoke(law, ["list", "--topic", topic.id, "--format", "json"], catch_exceptions=False).stdout
    document = json.loads(rows)
    assert document["status"] in ("answered", "refused")
    listed = json.loads(
        CliRunner().invoke(claims, ["--topic", topic.id, "--format", "json"], catch_exceptions=False).stdout
    )
    assert {c["id"] for c in listed["claims"]} == set(topic.claims)


def test_topics_go_by_their_other_names_and_strange_ones_are_refused():
    assert topic_named("Lottery Ticket").id == "sparsity"
    assert topic_named("emergent abilities").id == "emergence"
    assert topic_named("data_stock").id == "data-stock"
    with pytest.raises(InputError, match=r"unknown topic 'emergense'.*nearest: emergence"):
        topic_named("emergense")
    with pytest.raises(InputError, match="do not go together"):
        CliRunner().invoke(law, ["list", "--topic", "vision", "--family", "vision"], catch_exceptions=False)


def test_names_of_topics_are_unique():
    names = [word.lower() for t in TOPICS for word in (t.id, *t.words)]
    own = [n for t in TOPICS for n in {w.lower() for w in (t.id, *t.words)}]
    assert len(own) == len(set(own)), sorted(n for n in names if names.count(n) > 1)


def test_figures_in_answers_are_those_of_the_laws():
    from hwmodel import laws

    catalog = load_catalog()
    worth = laws.evaluate(catalog.law("frantar_sparse_2023"), params=2e7, tokens=4e10, sparsity=0.75)
    assert f"{worth['dense_equivalent_per_parameter']:.1f}" in topic_named("sparsity").answer
    assert f"{catalog.law('muennighoff_2023').constants['RD_star']:.1f} epochs" in topic_named("duplication").answer
    deepseek = [f"deepseek_llm_2024{v}" for v in ("/early-data", "", "/openwebtext2")]
    for name in deepseek:
        assert f"{catalog.law(name).constants['a_params']:.3f}" in topic_named("data-quality").answer


def test_history_computes_its_flops_and_names_its_sources():
    document = json.loads(CliRunner().invoke(claims, ["history", "--format", "json"], catch_exceptions=False).stdout)
    rows = {m["model"]: m for m in document["models"]}
    assert rows["PaLM"]["train_flop"] == pytest.approx(2.53e24, rel=2e-3)
    assert rows["BERT-base"]["chips"] == 16
    assert rows["Llama 3.1 405B"]["train_flop"] == pytest.approx(3.8e25, rel=0.01)
    assert all(m.source for m in read_history())
    assert [m.year for m in read_history()] == sorted(m.year for m in read_history())
    for banned in ("days", "hours", "usd"):
        assert not any(banned in key for key in document["models"][0])
