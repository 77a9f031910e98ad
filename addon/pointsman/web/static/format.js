// Numbers and times as text. An unknown value is an en dash.

export const NOTHING = "–";

const COUNT = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const UNITS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

const known = (value) => typeof value === "number" && Number.isFinite(value);

export const count = (value) => (known(value) ? COUNT.format(value) : NOTHING);

/** A share of one, as a percentage that never rounds up to a hundred. */
export function share(value) {
  if (!known(value)) return NOTHING;
  const percent = value * 100;
  return `${value === 1 ? "100" : (Math.floor(percent * 10 + 1e-6) / 10).toFixed(1)} %`;
}

/** Milliseconds: `0.4 ms`, `340 ms`, `2.41 s`, `1 min 5 s`. */
export function wait(ms) {
  if (!known(ms)) return NOTHING;
  if (ms > 0 && ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : span(ms / 1000);
}

/** Seconds: `4 s`, `1 min 5 s`, `2 h 3 min`, `3 d 4 h`; two units at most, zero units are omitted. */
export function span(seconds) {
  if (!known(seconds)) return NOTHING;
  const whole = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [[size, name], [less, lesser] = [1, ""]] = UNITS.slice(first);
  const rest = Math.floor((whole % size) / less);
  return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${lesser}` : ""}`;
}

/** Unix seconds as a time of day; with the date if it is another day. */
export function moment(unix) {
  if (!known(unix)) return NOTHING;
  const date = new Date(unix * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? CLOCK : DATE).format(date);
}

/** Tokens or bytes: `950`, `12.4 k`, `3.1 M`. */
export function large(value) {
  if (!known(value)) return NOTHING;
  if (value < 1000) return COUNT.format(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} k` : `${(value / 1e6).toFixed(1)} M`;
}

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** Dollars as a decimal text: `$0.0042`, `$12.30`; null is unknown. */
export function money(text) {
  if (text === null || text === undefined) return "unknown";
  const value = Number(text);
  if (value === 0) return "$0";
  return `$${value >= 1 ? value.toFixed(2) : value.toPrecision(2)}`;
}
