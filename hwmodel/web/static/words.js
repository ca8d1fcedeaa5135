// Numbers as people read them. An uncertain number is a record {value, low, high}; its interval holds 80 %.

const COUNTS = [[1e15, "Q"], [1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

export const value = (x) => (x !== null && typeof x === "object" ? x.value : x);
export const isKnown = (x) => x !== null && x !== undefined && Number.isFinite(value(x));

/** Three digits, thousands separated. */
export function digits(x, most = 3) {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e15 || size < 1e-4) return x.toExponential(most - 1);
  return x.toLocaleString("en", size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: most });
}

export function count(x, most = 3) {
  const unit = COUNTS.find(([size]) => Math.abs(x) >= size * 0.9995 && size > 1e3);
  return unit ? digits(Number((x / unit[0]).toPrecision(most)), most) + unit[1] : digits(x, Math.max(most, 4));
}

function seconds(x) {
  if (x < 1) return `${digits(x * 1e3)} ms`;
  if (x < 120) return `${digits(x)} s`;
  return x < 7200 ? `${digits(x / 60)} min` : days(x / 86400);
}

function days(x) {
  return x < 2 ? `${digits(x * 24)} h` : `${digits(x)} days`;
}

function usd(x) {
  if (Math.abs(x) >= 1e6) return `$${count(x)}`;
  return `$${x >= 1000 ? digits(Math.round(x)) : digits(x)}`;
}

const OBJECTIVES = { USD: usd, FLOP: (x) => `${count(x)} FLOP`, kWh: (x) => `${count(x)} kWh`, "t CO2e": (x) => `${count(x)} t` };

export const SHOW = {
  count, days, seconds, usd,
  hours: (x) => `${count(x)} h`,
  flop: (x) => `${x.toExponential(2)} FLOP`,
  nats: (x) => `${x.toFixed(3)} nats`,
  share: (x) => `${digits(x * 100)} %`,
  factor: (x) => `${digits(x)}×`,
  mwh: (x) => `${digits(x)} MWh`,
  tonnes: (x) => `${digits(x)} t CO2e`,
  bytes: (x) => `${digits(x / 2 ** 30)} GiB`,
  joules: (x) => `${digits(x)} J`,
  plain: (x) => digits(x),
};

export const shower = (unit, objective = "USD") =>
  unit === "objective" ? OBJECTIVES[objective] ?? ((x) => `${count(x)} ${objective}`) : SHOW[unit] ?? SHOW.plain;

export function shown(x, show) {
  return isKnown(x) ? show(value(x)) : "–";
}

/** "37 to 58 days" (a unit that both ends share is said once), or nothing for a number that is certain. */
export function interval(x, show) {
  if (x === null || typeof x !== "object" || !(x.high > x.low)) return "";
  const unit = / \D.*$/.exec(show(x.high))?.[0] ?? "";
  const low = show(x.low);
  return `${unit && low.endsWith(unit) ? low.slice(0, -unit.length) : low} to ${show(x.high)}`;
}

/** What a name on the command line is called in a sentence: inference_tokens → inference tokens. */
export const plainName = (name) => name.replace(/^--/, "").replaceAll(/[_-]/g, " ");
