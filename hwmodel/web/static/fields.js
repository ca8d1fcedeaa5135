// The form of a question: fields with completion, explanations, and sliders that write into them.

import { h } from "./dom.js";
import { count } from "./words.js";

const STEPS = 400;

/** A number as it is typed into the field of a slider. */
function typed(number, slider) {
  if (slider.whole) return String(Math.round(number));
  return number >= 1e6 ? count(number) : String(Number(number.toPrecision(3)));
}

/** The number in a text like 512xH100, 2T or $3.5; NaN where there is none. */
export function numberIn(text) {
  const found = /^\s*\$?([\d.,]+(?:e[+-]?\d+)?)\s*([kKmMbBtTqQ]?)/.exec(text);
  if (!found) return NaN;
  const scale = { k: 1e3, m: 1e6, b: 1e9, t: 1e12, q: 1e15 }[found[2].toLowerCase()] ?? 1;
  return Number(found[1].replaceAll(",", "")) * scale;
}

/** What a slider writes: the number, and behind it the part where a fleet is meant. */
function written(field, number, before) {
  const text = typed(number, field.slider);
  if (field.name !== "gpus") return text;
  const part = /[x*:]\s*(.+)$/i.exec(before)?.[1] ?? (/^[a-z]/i.test(before) ? before : "H100");
  return `${text}x${part}`;
}

const place = (number, { low, high }) => Math.round((STEPS * Math.log(number / low)) / Math.log(high / low));
const number = (at, { low, high }) => low * (high / low) ** (at / STEPS);

function slider(field, input, changed) {
  const words = () => (input.value || `${typed(number(range.value, field.slider), field.slider)}, not given`);
  const range = h("input", {
    type: "range", min: "0", max: String(STEPS), step: "1", "aria-label": `${field.label}, slider`,
    oninput: () => {
      input.value = written(field, number(Number(range.value), field.slider), input.value);
      range.setAttribute("aria-valuetext", words());
      changed(field.name, input.value, true);
    },
  });
  const follow = () => {
    const given = numberIn(input.value);
    range.value = String(place(Number.isFinite(given) && given > 0 ? given : field.slider.start, field.slider));
    range.classList.toggle("unset", !input.value);
    range.setAttribute("aria-valuetext", words());
  };
  input.addEventListener("input", follow);
  follow();
  return range;
}

/** Completions behind what is typed already: the count of a fleet, or the names before the last comma. */
function completion(field, choices, input) {
  const list = h("datalist", { id: `list-${field.name}` });
  const offer = () => {
    const head = field.many ? input.value.slice(0, input.value.lastIndexOf(",") + 1)
      : field.name === "gpus" ? /^[\d.,]*[kKmM]?[x*]?/.exec(input.value)[0] : "";
    const count = field.name === "gpus" && head && !/[x*]$/.test(head) ? `${head}x` : head;
    const start = input.value.slice(head.length).toLowerCase();
    const fits = choices.filter(([name, what]) => `${name} ${what}`.toLowerCase().includes(start)).slice(0, 80);
    list.replaceChildren(...fits.map(([name, what]) => h("option", { value: count + name }, what)));
  };
  input.addEventListener("input", offer);
  input.addEventListener("focus", offer);
  return list;
}

function control(field, held, form, changed) {
  const named = { id: `field-${field.name}`, name: field.name, "aria-describedby": `help-${field.name}` };
  if (field.flag) {
    const options = [["", "not said"], ["true", "yes"], ["false", "no"]];
    const select = h("select", { ...named, onchange: () => changed(field.name, select.value, false) },
      options.map(([word, text]) => h("option", { value: word }, text)));
    select.value = held;
    return [select];
  }
  const input = h("input", {
    ...named, type: "text", value: held, placeholder: field.example ? `e.g. ${field.example}` : "", spellcheck: "false",
    autocapitalize: "off", list: field.choices ? `list-${field.name}` : null,
    oninput: () => changed(field.name, input.value, false),
  });
  const parts = [input];
  if (field.choices) parts.push(completion(field, form.choices[field.choices], input));
  if (field.slider) parts.push(slider(field, input, changed));
  return parts;
}

function row(field, held, form, changed) {
  return h("div", { class: "field", "data-field": field.name },
    h("label", { for: `field-${field.name}` }, field.label),
    control(field, held, form, changed),
    h("p", { class: "help", id: `help-${field.name}` }, field.explains));
}

/** The elements of a question's form. `changed(name, text, sliding)` is called as the user types and drags. */
export function fieldRows(verb, given, form, changed) {
  const fields = verb.fields.map((name) => form.fields[name]);
  const make = (field) => row(field, given[field.name] ?? "", form, changed);
  const first = fields.filter((field) => field.first);
  const rest = fields.filter((field) => !field.first);
  const sections = [...new Set(rest.map((field) => field.section))];
  return [
    h("fieldset", {}, h("legend", {}, verb.asks), first.map(make)),
    ...sections.map((section) => {
      const inside = rest.filter((field) => field.section === section);
      return h("details", { class: "more", open: inside.some((field) => given[field.name]) },
        h("summary", {}, `More: ${section.toLowerCase()}`), inside.map(make));
    }),
  ];
}

/** Marks the fields that a refusal names (--tokens), so that they are found by eye and by ear. */
export function markFields(element, message) {
  for (const field of element.querySelectorAll("[name]")) {
    const said = message !== "" && message.includes(`--${field.name.replaceAll("_", "-")}`);
    if (said) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}
