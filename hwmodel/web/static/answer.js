// An answer on the page: the sentence, what was given and solved, numbers, pictures, what to take along.

import { h, table } from "./dom.js";
import { numbers, sourceList } from "./numbers.js";
import * as pictures from "./pictures.js";
import { SHOW, digits, interval, isKnown, plainName, shown, value } from "./words.js";

const VERDICTS = {
  pays: "pays", pays_unless_at_the_top: "pays unless its loss is at the top of the band", within_noise: "is within noise",
  does_not_pay: "does not pay", unknown: "cannot be judged",
};

/** Given by the user, solved, and taken by default: always in sight. */
function givenAndSolved(question, answer, form) {
  const label = (name) => form.fields[name]?.label ?? form.meanings[name]?.label ?? plainName(name);
  const given = Object.entries(question.given).map(([name, held]) => h("li", {}, h("span", { class: "soft" }, `${label(name)} `), held));
  const solved = Object.entries(answer.solved ?? {}).map(([name, how]) => h("li", {}, h("span", { class: "soft" }, `${label(name)} `), how));
  const taken = Object.entries(answer.request?.defaults ?? {}).map(([name, held]) =>
    h("li", {}, h("span", { class: "soft" }, `${label(name)} `), typeof held === "number" ? SHOW.count(held) : String(held)));
  return h("div", { class: "settled" },
    h("div", {}, h("h3", {}, "Given"), h("ul", { class: "chips" }, given)),
    solved.length ? h("div", {}, h("h3", {}, "Solved"), h("ul", { class: "chips" }, solved)) : "",
    taken.length ? h("details", {}, h("summary", {}, "Taken by default"), h("ul", { class: "chips" }, taken)) : "");
}

function planSentence(d) {
  const a = d.answer;
  let said = `Train ${SHOW.count(value(a.params))} parameters on ${SHOW.count(value(a.tokens))} tokens`;
  if (a.accelerators) said += ` on ${digits(a.accelerators)} × ${d.resolved.accelerator} in ${d.resolved.precision}: ${SHOW.days(value(a.elapsed_days))}`;
  if (isKnown(a.cost_usd)) said += `, ${SHOW.usd(value(a.cost_usd))}`;
  return `${said}.`;
}

function lifeSentence(d) {
  const best = d.objectives?.deployment_optimal;
  if (!best) {
    const flip = d.objectives?.flip_inference_tokens;
    return flip ? `No use after training is counted; from about ${SHOW.count(flip)} served tokens on, a smaller model is cheaper over its life.` : "";
  }
  return `For this use, ${SHOW.count(value(best.params))} parameters trained on ${SHOW.count(value(best.tokens))} tokens reach the same loss `
    + `at the least cost over the whole life: ${SHOW.share(value(d.saving?.value ?? 0))} less than the training optimum of `
    + `${SHOW.count(value(d.objectives.training_optimal.params))}.`;
}

export function formatSentence(row) {
  if (row.status !== "ok") return `${row.precision}: ${row.status === "lacking" ? "this part has no such format" : "does not fit"}.`;
  if (row.verdict === "reference") return "";
  const pays = row.pays_up_to_share ? `; that pays for a loss gap of up to ${SHOW.share(row.pays_up_to_share.value)}` : "";
  const gap = row.loss_gap_share ? `, and published pairs lose ${SHOW.share(row.loss_gap_share.value)} (${interval(row.loss_gap_share, SHOW.share)})` : "";
  return `${row.precision} is ${SHOW.factor(row.speedup.value)} as fast (${interval(row.speedup, SHOW.factor)})${pays}${gap}: it ${VERDICTS[row.verdict]}${chance(row, ", with a probability of ")}.`;
}

const chance = (row, before, after = "") =>
  (row.probability_wins === null ? "" : `${before}${Math.round(100 * row.probability_wins)} %${after}`);

/** The verdict in a line: what stands first. */
function verdict(row) {
  if (row.status !== "ok" || row.verdict === "reference") return formatSentence(row);
  return `${row.precision} ${VERDICTS[row.verdict]}${chance(row, " (", ")")}: ${SHOW.factor(row.speedup.value)} as fast.`;
}

const PLAN_NUMBERS = ["params", "tokens", "train_days", "elapsed_days", "cost_usd", "mfu", "loss_nats", "gpu_hours", "energy_mwh",
  "co2e_t", "peak_memory_bytes", "goodput", "lifetime_cost"];

function plan(d, form, runs) {
  const pairs = PLAN_NUMBERS.map((name) => [name, d.answer[name], d.solved?.[name] ? "solved" : ""]);
  const verdicts = (d.precisions ?? []).map(formatSentence).filter(Boolean);
  const band = d.regret_band;
  return {
    sentence: planSentence(d),
    more: [lifeSentence(d), band ? `Sizes from ${SHOW.count(band.params_low)} to ${SHOW.count(band.params_high)} waste at most 5 %.` : "", ...verdicts].filter(Boolean),
    numbers: numbers(d, form, pairs),
    figures: [pictures.lifetime(d) ?? pictures.loss(d), pictures.formats(d), ...pictures.fleet(d, runs), pictures.budget(d),
      pictures.step(d, form), pictures.memory(d, form)],
    tables: [], after: [layoutLine(d)],
  };
}

function layoutLine(d) {
  if (!d.layout) return null;
  const words = Object.entries(d.layout).map(([name, held]) => `${plainName(name)} ${typeof held === "number" ? digits(held) : held}`);
  return h("p", { class: "layout" }, h("strong", {}, "Layout: "), words.join(", "));
}

function comparison(d, form, runs) {
  if (!d.rows) {
    const order = [...d.precisions].sort((a, b) => (b.probability_wins ?? -1) - (a.probability_wins ?? -1));
    const found = plan(d, form, runs);
    const sentences = order.map(formatSentence).filter(Boolean);
    return { ...found, sentence: order.map(verdict).find(Boolean) ?? "No other format can be run.",
      more: [...sentences, found.sentence, ...found.more.filter((line) => !sentences.includes(line))],
      figures: [pictures.formats(d), ...found.figures.filter((_, i) => i !== 1)], tables: [formatTable(d)] };
  }
  const names = d.option.split(",");
  const rows = d.rows.map((row) => [...names.map((name) => row[name]), SHOW.count(value(row.answer.params)), SHOW.count(value(row.answer.tokens)),
    shown(row.answer.elapsed_days, SHOW.days), shown(row.answer.cost_usd, SHOW.usd), shown(row.answer.mfu, SHOW.share), shown(row.answer.loss_nats, SHOW.nats)]);
  return { sentence: `${d.rows.length} answers side by side, by ${names.map(plainName).join(" and ")}.`, more: [], numbers: null, figures: [],
    tables: [table([...names.map(plainName), "parameters", "tokens", "elapsed", "rent", "MFU", "loss"], rows, "Answers side by side")] };
}

function formatTable(d) {
  const rows = d.precisions.filter((row) => row.status === "ok").map((row) => [row.precision, shown(row.train_days, SHOW.days),
    shown(row.speedup, SHOW.factor), shown(row.cost_usd, SHOW.usd), shown(row.mfu, SHOW.share), shown(row.loss_gap_share, SHOW.share), VERDICTS[row.verdict] ?? "reference"]);
  return table(["format", "training", "speed-up", "rent", "MFU", "loss gap", "verdict"], rows, "Formats side by side");
}

const SERVE_NUMBERS = ["accelerators", "replicas", "usd_per_hour", "ttft_s", "ttft_tail_s", "tpot_s", "tpot_tail_s", "requests_per_s",
  "output_tokens_per_s", "usd_per_million_tokens", "usd_per_million_input", "usd_per_million_output", "joules_per_output_token", "load", "batch"];

function serve(d, form) {
  const a = d.answer;
  const sizes = ["tp", "pp", "dp", "ep"].filter((name) => a[name] > 1).map((name) => `${name.toUpperCase()} ${a[name]}`).join(", ");
  const sentence = `${digits(a.accelerators)} × ${a.part} in ${a.precision}${sizes ? ` (${sizes})` : ""}: `
    + (isKnown(a.usd_per_hour) ? `${SHOW.usd(value(a.usd_per_hour))} an hour, ` : "")
    + `first token after ${shown(a.ttft_tail_s ?? a.ttft_s, SHOW.seconds)}, then one every ${shown(a.tpot_tail_s ?? a.tpot_s, SHOW.seconds)}.`;
  const others = (d.alternatives ?? []).map((one) => [one.part, one.precision, digits(one.accelerators), shown(one.usd_per_hour, SHOW.usd),
    shown(one.ttft_tail_s, SHOW.seconds), shown(one.tpot_tail_s, SHOW.seconds), one.mode]);
  return { sentence, more: d.why ?? [], numbers: numbers(d, form, SERVE_NUMBERS.map((name) => [name, a[name]])), figures: [pictures.step(d, form)],
    tables: [others.length ? table(["part", "format", "accelerators", "$ an hour", "TTFT tail", "TPOT tail", "mode"], others, "Other ways to serve it") : null] };
}

function train(d, form) {
  const pairs = [["step_s", d.step_s], ["tokens_per_s", d.tokens_per_s], ["mfu", d.mfu], ["peak_memory_bytes", d.peak_memory_bytes]];
  const near = d.near.map((one) => [["tp", "cp", "pp", "dp", "zero", "micro_batch"].map((name) => `${plainName(name)} ${one.layout[name]}`).join(", "),
    shown(one.tokens_per_s, SHOW.count), shown(one.peak_memory_bytes, SHOW.bytes)]);
  return { sentence: `${d.fits ? "" : "It does not fit. "}A step takes ${shown(d.step_s, SHOW.seconds)} (${interval(d.step_s, SHOW.seconds)}) on ${digits(d.accelerators)} × ${d.resolved.accelerator}.`,
    more: [], numbers: numbers(d, form, pairs), figures: [pictures.step(d, form), pictures.memory(d, form)],
    tables: [layoutLine(d), near.length ? table(["layout", "tokens a second", "memory"], near, "Layouts near it") : null] };
}

/** A run on each of several pools, or on accelerators bought: what a plan is answered with there. */
function budget(d, form) {
  const b = d.budget;
  const stages = d.stages.filter((one) => one.how === "computed").map((one) => [one.stage, shown(one.detail?.params, SHOW.count), shown(one.detail?.tokens, SHOW.count),
    shown(one.elapsed_days, SHOW.days), shown(one.gpu_hours, SHOW.count), shown(one.cost_usd, SHOW.usd)]);
  const total = isKnown(b.total_usd) ? `${SHOW.usd(value(b.total_usd))} in all, of it ${SHOW.usd(b.contingency_usd)} contingency` : "no price is known";
  return { sentence: `${d.resolved.pools.join(" and ")}: ${total}.`, more: [], figures: [],
    numbers: numbers(d, form, ["gpu_hours", "cost_usd", "energy_mwh", "co2e_t"].map((name) => [name, b[name]])),
    tables: [table(["stage", "parameters", "tokens", "elapsed", "accelerator-hours", "cost"], stages, "Stages")] };
}

const KINDS = { plan, compare: comparison, serve, train };

/** The elements of an answer. `takeAlong` are the buttons that download or pin it. */
export function answerView(question, answer, form, runs, takeAlong) {
  const found = (answer.stages ? budget : KINDS[question.verb])(answer, form, runs);
  const warnings = [...(answer.warnings ?? []), ...(answer.notes ?? []).map((note) => (typeof note === "string" ? note : JSON.stringify(note)))];
  return h("article", { "data-verb": question.verb },
    h("h2", { class: "sentence" }, found.sentence), found.more.map((line) => h("p", { class: "said" }, line)),
    givenAndSolved(question, answer, form), takeAlong, found.numbers,
    found.tables.filter(Boolean), h("div", { class: "figures" }, found.figures.filter(Boolean)), (found.after ?? []).filter(Boolean),
    warnings.length ? h("section", { class: "warnings" }, h("h3", {}, "To keep in mind"), h("ul", {}, warnings.map((line) => h("li", {}, line)))) : "",
    h("details", {}, h("summary", {}, `All ${answer.sources?.length ?? 0} sources`), sourceList(answer.sources ?? [])));
}
