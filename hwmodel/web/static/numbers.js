// Numbers of an answer: each is a button that opens how it was worked out and where it comes from.

import { byId, h } from "./dom.js";
import { interval, isKnown, shown, shower, value } from "./words.js";

/** A button for one number of an answer. */
export function number(answer, form, name, x, note = "") {
  const meaning = form.meanings[name];
  const show = shower(meaning.unit, answer.objectives?.demand_unit);
  const spread = interval(x, show);
  return h("button", { type: "button", class: "number", "data-number": name, "aria-haspopup": "dialog",
    onclick: () => openSource(answer, form, name, x) },
    h("span", { class: "number-label" }, meaning.label), h("strong", {}, shown(x, show)),
    h("span", { class: "number-spread" }, spread || note || " "));
}

/** Those of a list that are known. */
export const numbers = (answer, form, pairs) =>
  h("div", { class: "numbers" }, pairs.filter(([, x]) => isKnown(x)).map(([name, x, note]) => number(answer, form, name, x, note)));

function sourcesOf(answer, meaning) {
  return (answer.sources ?? []).filter((source) => meaning.sources.some((word) => source.for.includes(word)));
}

const sourceItem = (source) => h("li", {}, h("cite", {}, source.title), source.locator ? `, ${source.locator}` : "",
  h("span", { class: "soft" }, `: ${source.for}`));

export const sourceList = (sources) => h("ul", { class: "sources" }, sources.map(sourceItem));

function openSource(answer, form, name, x) {
  const meaning = form.meanings[name];
  const show = shower(meaning.unit, answer.objectives?.demand_unit);
  const how = answer.solved?.[name];
  const sources = sourcesOf(answer, meaning);
  const spread = interval(x, show);
  byId("source-title").textContent = meaning.label;
  byId("source-body").replaceChildren(
    h("p", {}, h("strong", {}, shown(x, show)), spread ? `, with a probability of 80 % from ${spread}` : ""),
    how ? h("p", {}, `In this answer: ${how}.`) : "",
    h("h3", {}, "How it is worked out"), h("p", { class: "formula" }, meaning.formula),
    h("p", { class: "soft" }, `In the code: hwmodel/${meaning.code}; as JSON: ${name} = ${value(x)}`),
    h("h3", {}, "Where it comes from"),
    sources.length ? sourceList(sources) : h("p", {}, "From the question and the numbers above alone."));
  byId("source").showModal();
}
