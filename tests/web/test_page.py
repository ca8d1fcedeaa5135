"""The page in a real Chromium: each question answered, sliders, links, downloads, the keyboard alone, two widths."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web_client import Served

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install '.[test]'")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
if CHROMIUM is None and os.environ.get("HWMODEL_BROWSER") == "required":
    pytest.fail("no Chromium, and HWMODEL_BROWSER says that the page is to be tested: apt-get install chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")

FP8 = "#compare?gpus=64xH100&params=3B&tokens=200B&inference_tokens=2T&precision=bf16,fp8"
SLOW_MS = 60_000  # a machine that other tests keep busy
playwright.expect.set_options(timeout=SLOW_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


Opener = Callable[..., Any]


def fault(said: Any) -> bool:
    """Whether a line of the console is an error: a refusal that was asked for is none."""
    return said.type == "error" and "responded with a status of 4" not in said.text


@pytest.fixture
def open_page(browser: Any, server: Served) -> Iterator[Opener]:
    """Opens the page at an address; fails where a request leaves the machine or a script fails."""
    contexts, wrong = [], []

    def opened(address: str = "", width: int = 1280, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW_MS)
        page.on(
            "request", lambda r: wrong.append(r.url) if not r.url.startswith((server.url, "blob:", "data:")) else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if fault(said) else None)
        page.goto(server.url + address)
        page.wait_for_selector("article")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def settled(page: Any) -> None:
    """Wait until nothing is being asked: by a selector, for the page's own policy forbids a polled expression."""
    page.wait_for_selector("#answers:not([aria-busy])", state="attached")


def set_field(page: Any, name: str, text: str) -> None:
    """Type into a field and wait for what is answered."""
    with page.expect_response(lambda r: "/api/" in r.url and r.request.method == "POST"):
        page.fill(f"#field-{name}", text)
    settled(page)


QUESTIONS = {
    "": ("Train .* parameters on 2T tokens on 512 × h100", 4),
    FP8: ("fp8 .* as fast", 6),
    "#compare?gpus=64xH100&params=1B,3B&tokens=200B": ("2 answers side by side", 0),
    "#serve?model=llama-3.1-8b&demand=20+req/s&parts=h100&ttft=1s": ("× h100-sxm5-80gb in", 0),
    "#serve?model=llama-3.1-8b&concurrency=8&parts=h100&precision=fp8": ("first token after", 1),
    "#train?gpus=64xH100&model=llama-3.1-8b": ("A step takes", 2),
    "#plan?loss_like=7B@1T": ("Train .* parameters on", 1),
}


@pytest.mark.parametrize("address", QUESTIONS)
def test_each_question_is_answered_with_what_was_given_and_its_pictures(open_page: Opener, address: str) -> None:
    page = open_page(address)
    said, least = QUESTIONS[address]
    assert re.search(said, page.inner_text(".sentence"))
    assert page.locator("figure").count() >= least
    given = page.inner_text(".settled")
    for text in re.findall(r"=([^&]+)", address):
        assert text.replace("+", " ") in given
    assert page.locator(".plot canvas").count() == page.locator(".plot").count()


def test_numbers_are_those_of_the_api(open_page: Opener, server: Served) -> None:
    page = open_page("#plan?gpus=64xH100&params=3B&tokens=200B")
    answer = server.post("/api/plan", {"gpus": "64xH100", "params": "3B", "tokens": "200B"}).data["answer"]
    days, mfu = answer["elapsed_days"], answer["mfu"]
    assert page.inner_text('[data-number="params"] strong') == "3B"
    shown = page.inner_text('[data-number="mfu"]')
    assert f"{100 * mfu['value']:.3g} %" in shown
    assert f"{100 * mfu['low']:.3g} to {100 * mfu['high']:.3g} %" in shown
    assert page.inner_text('[data-number="elapsed_days"] strong') in (
        f"{days['value']:.3g} days", f"{24 * days['value']:.3g} h")  # fmt: skip


def test_every_number_opens_its_formula_and_sources(open_page: Opener) -> None:
    page = open_page(FP8)
    names = [number.get_attribute("data-number") for number in page.locator(".number").all()]
    assert len(names) >= 10
    with_sources = 0
    for name in names:
        page.click(f'[data-number="{name}"]')
        assert page.locator("#source").is_visible()
        assert len(page.inner_text(".formula")) > 10
        with_sources += page.locator("#source-body .sources li").count() > 0
        page.click("#source-close")
        assert not page.locator("#source").is_visible()
    assert with_sources >= 8


def test_a_slider_answers_as_it_moves_and_the_link_follows(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B")
    before = page.inner_text('[data-number="elapsed_days"] strong')
    slider = page.locator('[data-field="gpus"] input[type=range]')
    with page.expect_response(lambda r: r.url.endswith("/api/plan")):
        slider.press("ArrowRight")
        slider.press("PageUp")
    playwright.expect(page.locator("[data-number=elapsed_days] strong")).not_to_have_text(before)
    fleet = page.input_value("#field-gpus")
    assert re.fullmatch(r"\d+xH100", fleet)
    assert fleet != "64xH100"
    assert f"gpus={fleet}" in page.url
    assert fleet in page.inner_text(".settled")
    for name in ("tokens", "inference_tokens", "usd_per_hour", "pue"):
        assert page.locator(f'[data-field="{name}"] input[type=range]').count() == 1
    with page.expect_response(lambda r: r.url.endswith("/api/plan")):
        page.locator('[data-field="usd_per_hour"] input[type=range]').press("Home")
    assert page.input_value("#field-usd_per_hour") == "0.2"


def test_a_shared_link_shows_the_same_answer(open_page: Opener) -> None:
    first = open_page("#plan?gpus=64xH100&tokens=200B")
    set_field(first, "inference_tokens", "1T")
    second = open_page(first.url.partition("/#")[2] and "#" + first.url.partition("#")[2])
    settled(second)
    assert second.inner_text(".sentence") == first.inner_text(".sentence")
    assert second.input_value("#field-inference_tokens") == "1T"
    assert "token" not in first.url.partition("#")[2].replace("tokens", "")


def test_several_pools_are_answered_as_a_budget(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100%2B64xA100&budget=500k")
    sentence = page.inner_text(".sentence")
    assert "64xh100-sxm5-80gb and 64xa100-sxm4-80gb: $" in sentence
    assert "pre-training on 64xH100" in page.inner_text("table")


def test_two_answers_stand_side_by_side(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B")
    page.click("text=Keep beside the next")
    set_field(page, "precision", "fp8")
    sentences = page.locator(".sentence").all_inner_texts()
    assert len(sentences) == 2
    assert "bf16" in sentences[0]
    assert "fp8" in sentences[1]
    boxes = [pane.bounding_box() for pane in page.locator(".pane").all()]
    assert boxes[1]["x"] >= boxes[0]["x"] + boxes[0]["width"]
    assert page.url.count("|") + page.url.count("%7C") == 1
    again = open_page("#" + page.url.partition("#")[2])
    playwright.expect(again.locator(".sentence")).to_have_count(2)
    page.click("text=Only this one")
    assert page.locator(".sentence").count() == 1
    assert "fp8" in page.inner_text(".sentence")


def test_report_json_and_launch_files_are_downloaded(open_page: Opener, tmp_path: Path) -> None:
    page = open_page("#plan?gpus=64xH100&model=llama-3.1-8b&tokens=200B")

    def taken(button: str) -> Path:
        with page.expect_download() as found:
            page.click(f"button:text-is('{button}')")
        path = tmp_path / found.value.suggested_filename
        found.value.save_as(path)
        return path

    assert "64 x h100-sxm5-80gb" in taken("Report").read_text()
    assert json.loads(taken("JSON").read_text())["resolved"]["accelerator"] == "h100-sxm5-80gb"
    with zipfile.ZipFile(taken("Launch files")) as archive:
        assert any(name.endswith(".sh") for name in archive.namelist())


def test_a_refusal_is_said_and_its_field_marked(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B")
    set_field(page, "gpus", "64xH1000")
    assert "unknown accelerator 'H1000'; nearest: h100" in page.inner_text("#status")
    assert "exit code 2: bad input" in page.inner_text(".refused")
    set_field(page, "gpus", "64xH100")
    set_field(page, "tokens", "many")
    assert page.get_attribute("#field-tokens", "aria-invalid") == "true"
    set_field(page, "tokens", "300B")
    assert "300B" in page.inner_text(".sentence")
    assert page.get_attribute("#field-tokens", "aria-invalid") is None


def test_names_are_completed_from_the_catalog(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B")
    page.fill("#field-model", "llama-3.1")
    offered = page.locator("#list-model option").evaluate_all("all => all.map(one => one.value)")
    assert "llama-3.1-70b" in offered
    page.fill("#field-gpus", "32xb200")
    fleets = page.locator("#list-gpus option").evaluate_all("all => all.map(one => one.value)")
    assert any(re.fullmatch(r"32xb200\S*", name) for name in fleets)
    settled(page)


def test_the_keyboard_alone_is_enough(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"

    def until(found: str) -> None:
        for _ in range(200):
            if page.evaluate(f"document.activeElement.matches({json.dumps(found)})"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{found} is not reached by Tab")

    until("input[name=verb]:checked")
    with page.expect_response(lambda r: r.url.endswith("/api/compare")):
        page.keyboard.press("ArrowDown")
    settled(page)
    until("#field-tokens")
    page.keyboard.press("Control+a")
    with page.expect_response(lambda r: r.url.endswith("/api/compare")):
        page.keyboard.type("300B")
    settled(page)
    assert "300B" in page.inner_text(".settled")
    until('[data-number="mfu"]')
    page.keyboard.press("Enter")
    assert page.locator("#source").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.number") == "mfu"
    until("figure summary")
    page.keyboard.press("Enter")
    assert page.locator("figure details[open] table").first.is_visible()


def test_whoever_hears_the_page_is_told(open_page: Opener) -> None:
    page = open_page(FP8)
    assert page.get_attribute("html", "lang") == "en"
    assert page.inner_text("#status") == "" or page.locator("#status").get_attribute("aria-live") == "polite"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('input, select, button')].filter(one => {
             const label = one.labels?.length ? one.labels[0].textContent : '';
             return !(label || one.getAttribute('aria-label') || one.textContent);
           }).map(one => one.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    for plot in page.locator(".plot").all():
        assert len(plot.get_attribute("aria-label")) > 30
    figures = page.locator("figure")
    assert figures.count() == page.locator("figure table").evaluate_all(
        "t => new Set(t.map(x => x.closest('figure'))).size"
    )
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def contrast(page: Any, selector: str) -> float:
    """WCAG contrast of an element's ink on the page's paper."""
    return float(page.evaluate(
        """selector => {
             const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
             const luminance = text => {
               const [r, g, b] = text.match(/[\\d.]+/g).map(v => linear(Number(v) / 255));
               return 0.2126 * r + 0.7152 * g + 0.0722 * b;
             };
             const ink = luminance(getComputedStyle(document.querySelector(selector)).color);
             const paper = luminance(getComputedStyle(document.body).backgroundColor);
             return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
           }""", selector))  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_stands_at_both_widths_light_and_dark(open_page: Opener, width: int, scheme: str) -> None:
    page = open_page(FP8, width, color_scheme=scheme)
    settled(page)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
    assert contrast(page, ".help") >= 4.5
    assert contrast(page, ".sentence") >= 7.0
    boxes = [one.bounding_box() for one in page.locator("figure").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    columns = len({round(box["x"]) for box in boxes})
    assert columns == (2 if width == 1280 else 1)
    form, answer = page.locator("#question").bounding_box(), page.locator("#answers").bounding_box()
    assert (
        (answer["x"] > form["x"] + form["width"] - 1)
        if width == 1280
        else (answer["y"] >= form["y"] + form["height"] - 1)
    )
    # Every curve is drawn: ink of its own colour stands on each canvas.
    inked = page.locator(".plot canvas").evaluate_all(
        """all => all.map(one => {
             const data = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
             return data.filter((held, i) => i % 4 === 3 && held > 0).length / (data.length / 4);
           })"""
    )
    assert inked
    assert all(0.01 < share < 0.9 for share in inked)


def test_the_theme_can_be_switched_and_stays(open_page: Opener) -> None:
    page = open_page("#plan?gpus=64xH100&tokens=200B", color_scheme="light")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    page.wait_for_selector("article")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_newcomer_gets_from_the_first_screen_to_format_and_size(open_page: Opener) -> None:
    """FP8 or BF16 for 70B on 512 H100, and how large if we serve 20T tokens? By what stands on the page alone."""
    page = open_page()
    with page.expect_response(lambda r: r.url.endswith("/api/compare")):
        page.click("text=Which number format should we train in?")
    settled(page)
    page.get_by_label("Model size (parameters)").fill("70B")
    with page.expect_response(lambda r: r.url.endswith("/api/compare")):
        page.get_by_label("Tokens served over its life", exact=True).fill("20T")
    settled(page)
    assert page.input_value("#field-gpus") == "512xH100"
    playwright.expect(page.locator("article").first).to_contain_text("at the least cost over the whole life")
    said = page.inner_text("article")
    assert re.search(r"fp8 (pays|is within noise|does not pay).* as fast", said)
    assert re.search(r"For this use, [\d.]+B parameters", said)
