// Curves by uPlot, bars in plain HTML; behind each a table with the same numbers for those who do not see it.

import uPlot from "./uPlot.esm.js";
import { h, table } from "./dom.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (target.plot && contentRect.width > 0) target.plot.setSize({ width: contentRect.width, height: target.plot.height });
  }
});

/** A figure with its title, what it says in one line, the drawing, and its numbers. */
export function figure(title, says, drawing, numbers) {
  return h("figure", {}, h("figcaption", {}, h("h3", {}, title), h("p", {}, says)), drawing,
    numbers ? h("details", {}, h("summary", {}, "The numbers"), numbers) : null);
}

/**
 * Curves over one axis. `series`: {name, x, y, kind: line|dots|mark, colour, low, high, label}; `low` and `high` draw a
 * band. Both axes are logarithmic where `log` says so: "xy", "x", "".
 */
export function curves({ series, log = "x", xShow, yShow, xLabel, yLabel, says, height = 260 }) {
  const holder = h("div", { class: "plot", role: "img", "aria-label": says });
  const tables = [], drawn = [{}], bands = [];
  for (const one of series) {
    const stroke = colour(one.colour);
    tables.push([one.x, one.y]);
    drawn.push({ label: one.name, scale: "y", stroke, ...KINDS[one.kind](stroke), value: (_, y) => (y === null ? "" : yShow(y)) });
    if (!one.low) continue;
    const quiet = { scale: "y", class: "edge", stroke: "transparent", points: { show: false }, spanGaps: true };
    tables.push([one.x, one.high], [one.x, one.low]);
    drawn.push({ ...quiet, label: `${one.name}, high`, value: (_, y) => (y === null ? "" : yShow(y)) });
    drawn.push({ ...quiet, label: `${one.name}, low`, value: (_, y) => (y === null ? "" : yShow(y)) });
    bands.push({ series: [drawn.length - 2, drawn.length - 1], fill: colour("--band") });
  }
  const data = uPlot.join(tables.map(([x, y]) => sorted(x, y)));
  drawn[0] = { label: xLabel, value: (_, x) => (x === null ? "" : xShow(x)) };
  const axis = (label, show, size) => ({
    label, labelSize: 20, size, stroke: colour("--ink-soft"), font: "12px system-ui", labelFont: "12px system-ui",
    grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
    values: (_, ticks) => ticks.map((tick) => (tick === null ? null : show(tick))),
  });
  const places = (on) => (on ? { splits: (_, __, low, high) => round(low, high), filter: (_, splits) => splits } : {});
  const scale = (on) => (on ? { distr: 3, log: 10, range: (_, low, high) => [low / 1.06, high * 1.06] } : {});
  const options = {
    width: 600, height, series: drawn, bands, cursor: { drag: { setScale: false } },
    scales: { x: { time: false, ...scale(log.includes("x")) }, y: scale(log.includes("y")) },
    axes: [{ ...axis(xLabel, xShow, 34), ...places(log.includes("x")) },
      { ...axis(yLabel, yShow, 64), scale: "y", ...places(log.includes("y")) }],
    legend: { live: false },
  };
  holder.draw = () => {
    options.width = Math.max(240, holder.clientWidth || 600);
    holder.plot = new uPlot(options, data, holder);
    watcher.observe(holder);
  };
  return holder;
}

const KINDS = {
  line: () => ({ width: 2, points: { show: false }, spanGaps: true }),
  dots: (stroke) => ({ width: 0, paths: () => null, points: { show: true, size: 6, width: 1, stroke, fill: "transparent" } }),
  mark: (stroke) => ({ width: 0, paths: () => null, points: { show: true, size: 12, width: 2, stroke, fill: stroke } }),
};

function sorted(x, y) {
  const order = x.map((_, i) => i).sort((a, b) => x[a] - x[b]);
  const kept = order.filter((i, k) => k === 0 || x[i] !== x[order[k - 1]]);
  return [kept.map((i) => x[i]), kept.map((i) => y[i])];
}

/** Round numbers on a logarithmic axis: 1, 2 and 5 of each decade, the decades alone where there are many. */
function round(low, high) {
  const decades = Math.log10(high / low);
  const leads = decades > 3 ? [1] : decades > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 6, 8];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    found.push(...leads.map((lead) => lead * 10 ** power).filter((at) => at >= low && at <= high));
  }
  return found.length > 1 ? found : [low, high];
}

/** Once its elements stand in the document: draw what needs a width. */
export function drawAll(root) {
  for (const holder of root.querySelectorAll(".plot")) if (!holder.plot) holder.draw();
}

export function dropAll(root) {
  for (const holder of root.querySelectorAll(".plot")) {
    watcher.unobserve(holder);
    holder.plot?.destroy();
    holder.plot = null;
  }
}

/** Bars of the parts of a whole: [{name, value}], the largest first. */
export function bars(parts, show, caption) {
  const most = Math.max(...parts.map((part) => part.value));
  return h("table", { class: "bar-table" }, h("caption", {}, caption), h("tbody", {}, parts.map((part) => h("tr", {},
    h("th", { scope: "row" }, part.name), h("td", { class: "bar-cell" }, meter(0, part.value / most, "bar")),
    h("td", {}, show(part.value))))));
}

/** A stretch of a track from `from` to `to` (shares of its width). */
function meter(from, to, kind, mark) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 1000 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", `meter ${kind}`);
  svg.setAttribute("aria-hidden", "true");
  const box = (x, width, name) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, held] of Object.entries({ x, y: 2, width: Math.max(width, 2), height: 16, class: name })) rect.setAttribute(key, held);
    svg.append(rect);
  };
  box(1000 * from, 1000 * (to - from), "stretch");
  if (mark !== undefined) box(1000 * mark - 3, 6, "middle");
  return svg;
}

/** Intervals on one common track: [{name, low, high, value, kind, text}]; `one` marks a value that decides. */
export function ranges(rows, caption) {
  const most = Math.max(...rows.map((row) => row.high)), least = Math.min(...rows.map((row) => row.low), most * 0.98);
  const at = (x) => (x - least) / (most - least || 1);
  return h("table", { class: "bar-table" }, h("caption", {}, caption), h("tbody", {}, rows.map((row) => h("tr", {},
    h("th", { scope: "row" }, row.name),
    h("td", { class: "bar-cell" }, meter(at(row.low), at(row.high), row.kind, row.value === undefined ? undefined : at(row.value))),
    h("td", {}, row.text)))));
}
