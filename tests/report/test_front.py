"""Page one: the answer, its risks in order of money, and what to decide, each of this plan."""

from __future__ import annotations

import random
import re

import pytest

import hwmodel as hm
from hwmodel.errors import HwModelError
from hwmodel.report import words
from hwmodel.report.plan import plan_blocks, plan_html, plan_markdown
from hwmodel.report.plan.decisions import decisions
from hwmodel.report.plan.front import answer_sentences, dearest, objective_sentence, risk_lines
from hwmodel.report.plan.grounds import ranked_warnings, warning_usd
from hwmodel.solve.run.result import value_of

FIXED = {"gpus": "512xH100", "params": "40B", "tokens": "2T"}
PICTURES = {"sizes": "sizes.svg", "fleet": "fleet.svg", "size": "size.svg"}
QUESTIONS = [
    {"gpus": "1024xA100", "tokens": "1.4T"},
    {"gpus": "100xA100"},
    {"loss_like": "70B@1.4T"},
    {"loss_like": "70B@1.4T", "inference_tokens": "2T"},
    {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T", "moe": "8"},
    {"gpus": "64xtpuv5p", "params": "8B", "tokens": "1T"},
    {"gpus": "64xgaudi3", "params": "8B", "tokens": "300B"},
    {**FIXED, "deadline": "30d", "start": "2027-01-01", "budget": "$2M"},
    {**FIXED, "mfu": "40%", "usd_per_hour": "2"},
    {"gpus": "2048xB200", "params": "70B", "tokens": "2T", "inference_tokens": "10T"},
    {"model": "mixtral-8x7b", "gpus": "256xH100", "tokens": "1T"},
    {"gpus": "512xH100", "loss": "1.95", "loss_factor": "0.99"},
    {"gpus": "64xH100", "params": "13B", "unique_tokens": "100B", "tokens": "400B"},
]


@pytest.mark.parametrize("given", QUESTIONS, ids=lambda given: " ".join(map(str, given.values())))
def test_every_question_has_its_pages(given: dict[str, str]) -> None:
    plan = hm.plan(**given)
    text = plan_markdown(plan, PICTURES)
    assert len(text.split("\n## ")[0].split()) <= 350
    assert len(text.split()) <= 2000
    for strange in ("None", "nan", "inf ", "{", "}"):
        assert strange not in text.replace("information", ""), strange
    page = plan_html(plan)
    for _, heading in re.findall(r"(?m)^(#+) (.+)$", text):
        assert heading.split("`")[0][:20] in page


def test_a_demand_beside_given_tokens_is_counted_in_the_table() -> None:
    said = objective_sentence(hm.plan(gpus="320xMI300X", tokens="3T", inference_tokens="4T"))
    assert "the table below counts what is served too" in said
    assert "nothing served" in objective_sentence(hm.plan(gpus="320xMI300X", tokens="3T"))


def test_the_answer_states_both_certainties_and_the_chance_of_a_limit() -> None:
    plan = hm.plan(**FIXED, deadline="2027-01-31", start="2027-01-01")
    said = " ".join(answer_sentences(plan))
    q = plan.answer.quantiles
    for name in ("p50", "p80"):
        assert f"{q[name]['elapsed_days']:.3g} days" in said
        assert plan.risk.finish[name] in said
    assert f"{100 * plan.risk.limits[0].chance:.0f} %" in said
    assert "2027-01-31" in said


def test_risks_stand_in_order_of_money_and_are_those_of_the_draws() -> None:
    plan = hm.plan(**FIXED)
    middle = plan.answer.quantiles["p50"]["cost_usd"]
    over = [one.usd_high - middle for one in dearest(plan)]
    assert over == sorted(over, reverse=True)
    assert len(risk_lines(plan)) == 3
    # Whole runs and the step scatter most, and the picture of a run whose price is given has no price to fear.
    assert any(line.startswith("Evaluations, reruns") for line in risk_lines(plan)[:2])
    assert not any("hour costs" in line for line in risk_lines(hm.plan(**FIXED, usd_per_hour="3")))


def test_what_would_keep_a_budget_is_said() -> None:
    free = hm.plan(**FIXED)
    plan = hm.plan(**FIXED, budget=f"${1.05 * free.answer.quantiles['p50']['cost_usd']:.6g}")
    said = decisions(plan)[0]
    assert said.startswith("To be 80 % sure of the budget of ")
    assert "tokens at this size" in said
    assert said.split(" or ")[-1].startswith("a budget of $")


@pytest.mark.parametrize("own", ["bf16", "fp8", "mxfp8", "nvfp4"])
def test_another_format_is_compared_with_the_format_of_the_plan(own: str) -> None:
    """Rows are against 16 bits. What is advised pays with a better chance than the plan's own format, and "as fast" is
    the plan's own days over the days of what is advised."""
    plan = hm.plan(gpus="192xB200", tokens="1T", precision=own)
    rows = {row.precision: row for row in plan.precisions if row.status == "ok"}
    said = [line for line in decisions(plan) if f" instead of {own}" in line]
    chance = {name: row.probability_wins or 0.0 for name, row in rows.items()}
    best = max(chance, key=lambda name: chance[name])
    if best == own:
        assert not said
        return
    speed = value_of(rows[own].train_days) / value_of(rows[best].train_days)
    assert said[0].startswith(f"{best} instead of {own}: {speed:.2f}x as fast, ")
    assert (chance[best] > chance[own] and f"instead of {100 * chance[own]:.0f} %" in said[0]) or own == "bf16"


def test_a_format_that_pays_less_likely_than_not_is_said_to() -> None:
    plan = hm.plan(gpus="192xB200", params="3B", tokens="15T", precision="nvfp4")
    own = {row.precision: row for row in plan.precisions}["nvfp4"].probability_wins
    assert own is not None
    assert f"bf16 instead of nvfp4, which pays for its loss with {100 * own:.0f} % only." in decisions(plan)


def test_warnings_stand_by_what_they_can_cost() -> None:
    plan = hm.plan(gpus="520xH100", params="8B", tokens="1T", global_batch="4096", tp="8", pp="4")
    costs = [warning_usd(plan, line) for line in ranked_warnings(plan)]
    assert costs == sorted(costs, reverse=True)
    assert sorted(ranked_warnings(plan)) == sorted(plan.warnings)
    assert "read as" in ranked_warnings(plan)[-1]


def test_a_section_without_news_is_not_there() -> None:
    plan = hm.plan(loss_like="70B@1.4T")
    headings = [block.text for block in plan_blocks(plan) if type(block).__name__ == "Heading"]
    assert "How to pay?" not in headings
    assert "How long and how much, and what moves it?" not in headings
    assert "e+" not in plan_markdown(plan)  # 8.8e23 FLOP as everywhere
    assert "In which layout?" not in headings


def test_published_runs_are_promised_where_they_are_drawn() -> None:
    """The caption follows the picture: an A100 has runs within its fleets, a part without any promises none."""
    from hwmodel.report.blocks import Picture
    from hwmodel.report.published import published_beside

    for gpus, drawn in (("1024xA100", True), ("64xgaudi3", False), ("384xMI325X", False)):
        plan = hm.plan(gpus=gpus, params="8B", tokens="1T")
        (caption,) = [b.caption for b in plan_blocks(plan) if isinstance(b, Picture) and b.name == "fleet"]
        assert bool(published_beside(plan)) is drawn
        assert ("published runs" in caption) is drawn


def test_the_nearest_measured_runs_stand_once_and_on_page_one() -> None:
    text = plan_markdown(hm.plan(**FIXED))
    assert text.count("each predicted without its source") == 1
    assert "each predicted without its source" in text.split("\n## ")[0]


PARTS = ("A100", "H100", "H200", "B200", "B300", "GB200", "MI300X", "MI325X", "tpuv5p", "trainium2", "gaudi3", "L40S")
ASKED: tuple[dict[str, str], ...] = (
    {"tokens": "1.4T"}, {"time": "45d"}, {"params": "70B", "tokens": "2T"}, {"loss_like": "30B@600B"},
    {"params": "8B", "budget": "$2M"}, {"loss_like": "13B@600B", "inference_tokens": "50T", "unique_tokens": "300B"},
    {"model": "mixtral-8x7b", "tokens": "1T"}, {"params": "8B", "tokens": "1T", "deadline": "60d", "confidence": "80%"},
    {"tokens": "6T", "inference_tokens": "5T", "seq_len": "16384"}, {"params": "40B", "tokens": "2T", "time": "90d"},
)  # fmt: skip
CHARACTERS_A_WORD = 5.0 / 3.0  # of Chinese


def words_of(text: str) -> float:
    """Words of a text: runs with a letter or a figure in them (rules of tables are none), Chinese characters by
    CHARACTERS_A_WORD."""
    chinese = re.findall(r"[\u4e00-\u9fff]", text)
    runs = re.sub(r"[\u3000-\u9fff\uff00-\uffef]", " ", text).split()
    return len(chinese) / CHARACTERS_A_WORD + sum(any(one.isalnum() for one in run) for run in runs)


@pytest.mark.parametrize("place", range(len(ASKED)))
def test_drawn_questions_keep_to_a_page_and_to_two_thousand_words_in_both_languages(place: int) -> None:
    """Part and fleet are drawn by seed, a question a kind; sections without news are a line or left out."""
    drawn = random.Random(f"words {place}")
    answered = 0
    while not answered:  # a part may be too small for the question: the next one is drawn
        try:
            plan = hm.plan(gpus=f"{drawn.choice((256, 512, 1024, 4096))}x{drawn.choice(PARTS)}", **ASKED[place])
        except HwModelError:
            continue
        answered += 1
    for language in ("en", "zh"):
        text = plan_markdown(plan, {"sizes": "sizes.svg", "fleet": "fleet.svg"}, language)
        assert words_of(text.split("\n## ")[0]) <= 350, language
        assert words_of(text) <= 2000, language
        assert "\n\n\n" not in text
        empty = re.findall(r"^## [^\n]+\n\n(?=## )", text, re.MULTILINE)
        assert not empty, empty


def test_what_more_money_buys_is_told_at_the_size_of_the_run() -> None:
    """A tenth more compute and what it costs: the next $1M once took a run of $33k below the floor of its law."""
    plan = hm.plan(gpus="64xH100", params="7B", tokens="300B")
    said = plan_markdown(plan)
    assert plan.margin is not None
    cost = plan.margin.nats_gained / plan.margin.nats_per_usd
    assert 0.03 < cost / plan.answer.cost_usd.value < 0.3
    assert f"a tenth more compute lowers it by {plan.margin.nats_gained:.4f} nats for ${cost / 1e3:.3g}k" in said
    assert "$1M" not in said.split("## What do the laws")[1].split("##")[0]


def test_money_by_the_hour_has_cents_and_a_commitment_its_whole_sum() -> None:
    said = plan_markdown(hm.plan(gpus="64xH100", params="7B", tokens="300B")).split("## ")[0]
    assert re.search(r"An hour costs \$\d+\.\d\d instead of \$\d+\.\d\d:", said)
    assert re.search(r"Committing for a year \(\$[\d.]+M in all\): this run bears", said)
    assert re.search(r"pays for its loss \(chance \d+ %\)", said)


def test_a_run_longer_than_the_term_commits_again() -> None:
    """8 x H100 for some 500 days: two yearly commitments of 8 x 8,766 h, said as two."""
    plan = hm.plan(gpus="8xH100", params="7B", tokens="3.4T")
    assert plan.answer.elapsed_days is not None
    assert 366 < value_of(plan.answer.elapsed_days) < 730
    assert "Committing for 2 years, one by one ($" in plan_markdown(plan).split("## ")[0]


def test_columns_without_a_figure_are_left_out_and_a_missing_verdict_has_its_reason() -> None:
    text = plan_markdown(hm.plan(gpus="256xB200", model="mixtral-8x7b", tokens="1T"))
    table = text.split("## In which number format?")[1].split("##")[0]
    assert "chance that it pays" not in table
    assert "Unknown, for " in table
    known = plan_markdown(hm.plan(gpus="64xH100", params="7B", tokens="300B"))
    table = known.split("## In which number format?")[1].split("##")[0]
    assert "chance that it pays" in table
    assert "Free: size and tokens chosen anew" in table


def test_a_wide_table_carries_its_headings_for_a_phone() -> None:
    page = plan_html(hm.plan(gpus="64xH100", params="7B", tokens="300B"))
    wide = page.split('<div class="wide many">')[1:]
    assert len(wide) >= 3
    assert all('data-label="' in one.split("</div>")[0] for one in wide)
    cells = re.findall(r'<td data-label="([^"]*)"', wide[0].split("</div>")[0])
    heads = re.findall(r"<th(?: [^>]*)?>\s*(.*?)\s*</th>", wide[0].split("</div>")[0])
    assert cells == heads * (len(cells) // len(heads))


def test_a_smaller_size_that_trains_cheaper_in_dollars_is_told() -> None:
    """354B is best by FLOPs and runs slower than 244B, whose training to the same loss the table below prices."""
    found = hm.plan(gpus="1536xMI300X", tokens="6T", inference_tokens="3T", samples="4")
    o = found.objectives
    assert o.deployment_optimal is not None
    less, most = value_of(o.deployment_optimal.cost_usd), value_of(o.training_optimal.cost_usd)
    assert less < 0.98 * most
    said = objective_sentence(found)
    assert f"Best by FLOPs: in dollars {words.count(o.deployment_optimal.params)}" in said
    assert words.usd(less) in said
    assert "Best by FLOPs" not in objective_sentence(hm.plan(gpus="64xH100", time="30d"))


def test_what_answers_are_worth_is_said_once() -> None:
    text = plan_markdown(hm.plan(gpus="512xH100", loss_like="30B@600B", inference_tokens="2T", samples="16"), PICTURES)
    assert text.count("answers a prompt of") == 1
    assert text.count("For the same money:") == 1


def test_a_limit_that_is_a_printed_figure_and_kept_with_another_chance_says_why() -> None:
    """$25M of H200 are the P50 of the plan that they buy, and fewer than half of the joint draws stay within them."""
    found = hm.plan(gpus="H200", budget="$25M")
    assert found.risk is not None
    assert found.risk.limits[0].chance < 0.49
    said = " ".join(answer_sentences(found))
    assert "$25M with doubts at their medians (P50)" in said
    assert "even odds" not in said
    assert "Not 50 %: it draws all doubts together" in said
    sure = " ".join(answer_sentences(hm.plan(gpus="H200", budget="$25M", confidence="80%")))
    assert ("Not 80 %:" in sure) == ("is kept with 80 %" not in sure)
    loose = " ".join(answer_sentences(hm.plan(**FIXED, budget="$9M")))
    assert "is kept with" in loose
    assert "%: this chance draws" not in loose


def test_the_bill_by_line_says_that_lines_do_not_add() -> None:
    found = hm.plan(gpus="H200", budget="$25M")
    assert found.answer.quantiles is not None
    assert found.risk is not None
    middle = words.usd(found.answer.quantiles["p50"]["cost_usd"])
    assert words.usd(sum(one.p50 for one in found.risk.lines)) != middle
    assert "Lines, each by its own draws, do not add." in plan_markdown(found, PICTURES)
