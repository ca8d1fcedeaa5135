// The pictures of a plan: what size costs over a life, what a larger fleet buys, where time and memory go.

import { bars, curves, figure, ranges } from "./charts.js";
import { table } from "./dom.js";
import { SHOW, digits, interval, isKnown, shower, value } from "./words.js";

const pick = (rows, name) => rows.map((row) => row[name]);

/** Lifetime cost against size, with both optima and the plan's own model. */
export function lifetime(answer) {
  const points = answer.curves?.lifetime ?? [];
  const o = answer.objectives ?? {};
  if (!points.length || !o.deployment_optimal || !o.training_optimal) return null;
  const show = shower("objective", o.demand_unit);
  const least = Math.min(...points.map((p) => p.lifetime_cost));
  const near = points.filter((p) => p.lifetime_cost < 4 * least);
  const mark = (name, one, colour) => one && isKnown(one.lifetime_cost) && {
    name, kind: "mark", colour, x: [value(one.params)], y: [one.lifetime_cost] };
  const marks = [
    mark("cheapest to train", o.training_optimal, "--training"), mark("cheapest over its life", o.deployment_optimal, "--life"),
    mark("your model", { params: answer.answer.params, lifetime_cost: answer.answer.lifetime_cost }, "--yours"),
  ].filter(Boolean);
  const best = o.deployment_optimal;
  const says = `Every size here reaches the same loss. The cheapest over its life has ${SHOW.count(value(best.params))} parameters `
    + `and costs ${show(best.lifetime_cost)}; the cheapest to train has ${SHOW.count(value(o.training_optimal.params))} and costs `
    + `${show(o.training_optimal.lifetime_cost)}.`;
  const rows = [...marks.map((m) => [m.name, SHOW.count(m.x[0]), show(m.y[0])]),
    ...near.filter((_, i) => i % 4 === 0).map((p) => ["curve", SHOW.count(p.params), show(p.lifetime_cost)])];
  return figure("Cost of its life against size", says, curves({
    log: "xy", xLabel: "parameters", yLabel: `lifetime cost (${o.demand_unit})`, xShow: SHOW.count, yShow: show, says,
    series: [{ name: "same loss", kind: "line", colour: "--accent", x: pick(near, "params"), y: pick(near, "lifetime_cost") }, ...marks],
  }), table(["what", "parameters", "cost"], rows, "Cost of its life against size"));
}

/** Loss against size at the compute of the plan, where no use after training is known. */
export function loss(answer) {
  const points = answer.curves?.size ?? [];
  if (!points.length || !isKnown(answer.answer.loss_nats)) return null;
  const best = points.reduce((a, b) => (b.loss_nats < a.loss_nats ? b : a));
  const says = `At this compute the least loss, ${SHOW.nats(best.loss_nats)}, is reached at ${SHOW.count(best.params)} parameters.`;
  return figure("Loss against size at this compute", says, curves({
    log: "x", xLabel: "parameters", yLabel: "loss (nats a token)", xShow: SHOW.count, yShow: (x) => x.toFixed(3), says,
    series: [
      { name: "loss", kind: "line", colour: "--accent", x: pick(points, "params"), y: pick(points, "loss_nats") },
      { name: "your model", kind: "mark", colour: "--yours", x: [value(answer.answer.params)], y: [value(answer.answer.loss_nats)] },
    ],
  }), table(["parameters", "tokens", "loss"], points.filter((_, i) => i % 4 === 0)
    .map((p) => [SHOW.count(p.params), SHOW.count(p.tokens), SHOW.nats(p.loss_nats)]), "Loss against size"));
}

/** Days against the fleet, and utilisation against it beside what published runs report on this part. */
export function fleet(answer, runs) {
  const rows = (answer.curves?.accelerators ?? []).filter((row) => row.train_days !== null);
  if (rows.length < 2) return [];
  const x = pick(rows, "accelerators");
  const band = (name) => ({ y: rows.map((row) => row[name].value), low: rows.map((row) => row[name].low), high: rows.map((row) => row[name].high) });
  const ends = (one, show) => `${show(one.low)} to ${show(one.high)}`;
  const first = rows[0], last = rows.at(-1);
  const numbers = table(["accelerators", "days", "80 % interval", "MFU", "80 % interval", "idle"], rows.map((row) => [
    SHOW.count(row.accelerators), digits(row.train_days.value), ends(row.train_days, digits), SHOW.share(row.mfu.value),
    ends(row.mfu, SHOW.share), String(row.idle_accelerators)]), "Training time and utilisation by fleet");
  const saysDays = `The same run takes ${SHOW.days(first.train_days.value)} on ${SHOW.count(first.accelerators)} accelerators and `
    + `${SHOW.days(last.train_days.value)} on ${SHOW.count(last.accelerators)}; the band holds 80 %.`;
  const here = [{ name: "this fleet", kind: "mark", colour: "--yours", x: [answer.answer.accelerators], y: [value(answer.answer.train_days)] }];
  const days = figure("Training days against the fleet", saysDays, curves({
    log: "xy", xLabel: "accelerators", yLabel: "days", xShow: SHOW.count, yShow: (d) => digits(d), says: saysDays,
    series: [{ name: "this run", kind: "line", colour: "--accent", x, ...band("train_days") }, ...here],
  }), numbers);
  const part = answer.resolved.accelerator;
  const published = (runs[part] ?? []).filter((run) => run.accelerators >= x[0] / 4 && run.accelerators <= 4 * x.at(-1));
  const saysMfu = `Predicted utilisation by fleet with its 80 % band`
    + (published.length ? `, and ${published.length} published runs on ${part} (other models, batches and software).` : "; no published run on this part is shipped.");
  const dots = published.length ? [{ name: "published runs", kind: "dots", colour: "--dots", ...spread(published) }] : [];
  const mfu = figure("Utilisation against the fleet", saysMfu, curves({
    log: "x", xLabel: "accelerators", yLabel: "MFU", xShow: SHOW.count, yShow: SHOW.share, says: saysMfu,
    series: [{ name: "this run", kind: "line", colour: "--accent", x, ...band("mfu") }, ...dots],
  }), published.length ? table(["run", "accelerators", "MFU", "format", "source"], published.map((run) => [
    `${run.model} (${run.year})`, SHOW.count(run.accelerators), SHOW.share(run.mfu), run.precision || "–", `${run.source}, ${run.locator}`]),
    `Published runs on ${part}`) : null);
  return [days, mfu];
}

/** Dots of equal fleets moved apart by a hair, for a curve may have one value at each place. */
function spread(runs) {
  const seen = new Map();
  const x = runs.map(({ accelerators }) => {
    const before = seen.get(accelerators) ?? 0;
    seen.set(accelerators, before + 1);
    return accelerators * 1.012 ** before;
  });
  return { x, y: runs.map((run) => run.mfu) };
}

function parts(terms, words, total) {
  return Object.entries(terms).filter(([name, held]) => name !== total && held > 1e-3 * terms[total])
    .sort((a, b) => b[1] - a[1]).map(([name, held]) => ({ name: words[name] ?? name, value: held }));
}

export function step(answer, form) {
  if (!answer.step) return null;
  const total = answer.step.total_s ?? value(answer.step_s) ?? Object.values(answer.step).reduce((a, b) => a + b, 0);
  const found = parts({ ...answer.step, total_s: total }, form.terms, "total_s");
  const says = `A step takes ${SHOW.seconds(total)}; most of it goes to ${found[0].name}.`;
  const show = (x) => `${SHOW.seconds(x)}, ${digits((100 * x) / total, 2)} %`;
  return figure("Where a step's time goes", says, bars(found, show, "Terms of a step, the largest first"), null);
}

export function memory(answer, form) {
  const stage = answer.fullest_stage ? answer.memory[answer.fullest_stage] : answer.memory;
  if (!stage || !Number.isFinite(stage.total_bytes)) return null;
  const says = `The fullest accelerator holds ${SHOW.bytes(stage.total_bytes)}.`;
  return figure("Where its memory goes", says, bars(parts(stage, form.terms, "total_bytes"), SHOW.bytes, "Memory by use"), null);
}

/** Each format's speed-up beside how much training its loss needs: it pays where the first lies beyond the second. */
export function formats(answer) {
  const rows = (answer.precisions ?? []).filter((row) => row.status === "ok" && row.verdict !== "reference" && isKnown(row.speedup));
  if (!rows.length) return null;
  const stretch = (name, x, kind) => ({ name, low: x.low, high: Math.min(x.high, 4), value: Math.min(x.value, 4), kind,
    text: `${SHOW.factor(x.value)} (${interval(x, SHOW.factor) || "certain"})` });
  const found = rows.flatMap((row) => [stretch(`${row.precision}: speed-up`, row.speedup, "fast"),
    row.tokens_factor ? stretch(`${row.precision}: training its loss needs`, row.tokens_factor, "needed") : null].filter(Boolean));
  const best = rows[0];
  const says = `A format pays where its speed-up lies beyond the training that its loss needs. ${best.precision} is `
    + `${SHOW.factor(best.speedup.value)} as fast` + (best.probability_wins === null ? "." : ` and pays with a probability of ${Math.round(100 * best.probability_wins)} %.`);
  return figure("What a faster format buys, and what it costs", says, ranges(found, "Speed-up and training needed, 80 % intervals"), null);
}

/** Money at the quantiles of the whole run. */
export function budget(answer) {
  const q = answer.answer.quantiles, rent = answer.answer.cost_usd;
  if (!q || !rent || rent.low === undefined) return null;
  const rows = [["P10", rent.low], ["P50", value(q.p50.cost_usd)], ["P80", value(q.p80.cost_usd)], ["P90", value(q.p90.cost_usd)]]
    .filter(([, x]) => Number.isFinite(x));
  const says = `${SHOW.usd(value(q.p50.cost_usd))} with doubts at their medians (P50); ${SHOW.usd(value(q.p90.cost_usd))} suffices nine times in ten (P90).`;
  return figure("Rent from P10 to P90", says, bars(rows.map(([name, x]) => ({ name, value: x })),
    SHOW.usd, "Rent by the probability that it suffices"), null);
}
