// The page: questions in the address, answers as they are asked, the newest wins.

import { answerView } from "./answer.js";
import * as api from "./api.js";
import { drawAll, dropAll } from "./charts.js";
import { byId, h } from "./dom.js";
import { fieldRows, markFields } from "./fields.js";
import { address, body, parse } from "./state.js";
import { plainName } from "./words.js";

const WAIT_TYPING_MS = 350, WAIT_SLIDING_MS = 90;
const page = { form: null, runs: {}, questions: [], answers: [], asking: null, timer: 0 };
const current = () => page.questions.length - 1;
const verbOf = (name) => page.form.verbs.find((verb) => verb.name === name);

async function start() {
  api.keepToken();
  theme(localStorage.getItem("hwmodel-theme"));
  byId("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  try {
    page.form = await api.read("api/form");
    page.runs = (await api.read("api/runs")).runs;
  } catch (error) {
    say(error.message, true);
    return;
  }
  byId("version").textContent = `version ${page.form.version}, catalog ${page.form.catalog_version}`;
  addEventListener("hashchange", follow);
  follow();
}

/** Light or dark as chosen, else as the system says. */
function theme(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  if (chosen) localStorage.setItem("hwmodel-theme", chosen);
  if (page.form) page.questions.forEach((_, i) => show(i));
}

/** Ask what the address says; the first question of all where it says nothing. */
function follow() {
  const found = parse(location.hash, page.form);
  const first = page.form.verbs[0];
  page.questions = found.length ? found : [{ verb: first.name, given: { ...first.start } }];
  page.answers = [];
  byId("panes").replaceChildren();
  drawForm();
  page.questions.forEach((_, i) => askNow(i));
}

function drawForm() {
  const { verb, given } = page.questions[current()];
  byId("verbs").replaceChildren(...page.form.verbs.map(({ name, asks }) => h("label", { class: "verb" },
    h("input", { type: "radio", name: "verb", value: name, checked: name === verb, onchange: () => choose(name) }),
    h("span", {}, h("strong", {}, name), h("small", {}, asks)))));
  byId("fields").replaceChildren(...fieldRows(verbOf(verb), given, page.form, changed));
}

/** Another question of the same things: what both know is kept, what is missing is taken from its first question. */
function choose(name) {
  const before = page.questions[current()].given, verb = verbOf(name);
  const kept = Object.fromEntries(Object.entries(before).filter(([key]) => verb.fields.includes(key)));
  if (name !== "compare") delete kept.precision;
  if (name === "serve") for (const key of ["gpus", "tp", "pp"]) delete kept[key];
  const needs = Object.keys(verb.start).filter((key) => !(key in kept) && !(key === "params" && kept.model));
  const start = Object.fromEntries(needs.map((key) => [key, verb.start[key]]));
  if (kept.params && start.model) delete kept.params;
  page.questions[current()] = { verb: name, given: { ...start, ...kept } };
  keepAddress();
  drawForm();
  byId("verbs").querySelector("input:checked").focus();
  askNow(current());
}

function changed(name, text, sliding) {
  const { given } = page.questions[current()];
  if (text.trim() === "") delete given[name];
  else given[name] = text.trim();
  clearTimeout(page.timer);
  page.timer = setTimeout(() => { keepAddress(); askNow(current()); }, sliding ? WAIT_SLIDING_MS : WAIT_TYPING_MS);
}

const keepAddress = () => history.replaceState(null, "", address(page.questions));

async function askNow(i) {
  const question = structuredClone(page.questions[i]);
  if (i === current()) {
    page.asking?.abort();
    page.asking = new AbortController();
  }
  const { signal } = i === current() ? page.asking : new AbortController();
  byId("answers").setAttribute("aria-busy", "true");
  try {
    const answer = await api.ask(question.verb, body(question.given, page.form.fields), signal);
    page.answers[i] = { question, answer };
    show(i);
    if (i === current()) refuse("");
    say(byId("panes").children[i].querySelector(".sentence").textContent);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (i === current()) refuse(error.message);
    page.answers[i] = { question, error };
    show(i);
    say(`${error.meaning ? `${error.meaning}: ` : ""}${error.message}`, true);
  } finally {
    if (!signal.aborted) byId("answers").removeAttribute("aria-busy");
  }
}

const refuse = (message) => markFields(byId("fields"), message);

function say(text, wrong = false) {
  byId("status").textContent = text;
  byId("status").className = wrong ? "alert" : "quiet";
}

/** Put an answer into its pane. */
function show(i) {
  const panes = byId("panes"), held = page.answers[i];
  while (panes.children.length < page.questions.length) panes.append(h("div", { class: "pane" }));
  panes.classList.toggle("two", page.questions.length === 2);
  if (!held) return;
  const pane = panes.children[i];
  dropAll(pane);
  const heading = page.questions.length === 2 ? h("p", { class: "pane-name" }, i === 0 ? "Kept" : "Changing") : "";
  pane.replaceChildren(heading, held.error ? refusalView(held.error)
    : answerView(held.question, held.answer, page.form, page.runs, takeAlong(i)));
  drawAll(pane);
}

const refusalView = (error) => h("article", { class: "refused" }, h("h2", {}, plainName(error.meaning || "no answer")),
  h("p", { class: "message" }, error.message), error.code === null || error.code === undefined ? ""
    : h("p", { class: "soft" }, `On the command line this is exit code ${error.code}: ${error.meaning}.`));

/** Buttons: what can be taken along, and putting two answers side by side. */
function takeAlong(i) {
  const { question, answer } = page.answers[i];
  const fits = Object.entries(page.form.targets).filter(([, kind]) => (question.verb === "serve" ? kind.serving : kind.training));
  const target = h("select", { "aria-label": "Launch files for" }, fits.map(([name]) => h("option", { value: name }, name)));
  const given = () => body(question.given, page.form.fields);
  const button = (text, act) => h("button", { type: "button", onclick: act }, text);
  const take = (name, make) => button(name, async () => {
    try { await make(); } catch (error) { say(error.message, true); }
  });
  const two = page.questions.length === 2;
  return h("div", { class: "take" },
    take("Report", async () => save(await api.report(question.verb, given()), `hwmodel-${question.verb}.md`)),
    take("JSON", async () => save(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }), `hwmodel-${question.verb}.json`)),
    question.verb === "compare" ? "" : h("span", { class: "launch" }, target, take("Launch files", async () =>
      save(await api.launch(question.verb, given(), target.value), `hwmodel-${target.value}.zip`))),
    take("Copy link", async () => { await navigator.clipboard.writeText(location.href); say("The link is copied: it holds the question."); }),
    two ? "" : button("Keep beside the next", pin), two && i === 1 ? button("Only this one", () => only(1)) : "",
    two && i === 0 ? button("Back to this one", () => only(0)) : "");
}

function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The answer stays on the left; the form goes on with a copy of its question. */
function pin() {
  page.questions = [page.questions[0], structuredClone(page.questions[0])];
  page.answers = [page.answers[0], structuredClone(page.answers[0])];
  rearranged();
}

function only(i) {
  page.questions = [page.questions[i]];
  page.answers = [page.answers[i]];
  rearranged();
}

function rearranged() {
  keepAddress();
  dropAll(byId("panes"));
  byId("panes").replaceChildren();
  drawForm();
  page.questions.forEach((_, i) => show(i));
  byId("answers").focus();
}

start();
