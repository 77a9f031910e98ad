// The condition of a provider, target or key as a tag, and what it has done so far as facts.

import { attribute, h, text } from "./dom.js";
import { count, large, moment, money } from "./format.js";
import { condition, plain } from "./words.js";

/** `{ element, update(condition) }`. */
export function statusTag() {
  const element = h("span", { class: "tag status" });
  return {
    element,
    update(told) {
      const [tone, sign] = condition(told);
      attribute(element, "data-tone", tone);
      attribute(element, "data-state", told.state);
      text(element, `${sign} ${told.text}`);
    },
  };
}

/** Facts for `rows` of a `dl`: what it was asked and what that came to. */
export function totalFacts(totals, limits = {}) {
  const { usage, last_error: error } = totals;
  const facts = [
    ["succeeded since the start", count(totals.successes)],
    ["failed", count(totals.failures)],
    ["tokens in", large(usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h)],
    ["tokens out", large(usage.output)],
    ["cost", money(totals.cost_usd)],
    ["last used", totals.last_used === null ? "never" : moment(totals.last_used)],
    ["last error", error ? errorWords(error) : "none"],
  ];
  return [...facts, ...limitFacts(limits)];
}

/** What a limit counts: `requests a day` for `rpd`. */
export const limitName = (name) => NAMES[name] ?? name;

const NAMES = { rpm: "requests a minute", rpd: "requests a day", tpm: "tokens a minute", tpd: "tokens a day" };

/** What is left of each limit. */
export const limitFacts = (limits) =>
  Object.entries(limits).map(([name, { limit, left }]) => [`${limitName(name)} left`, `${count(left)} of ${count(limit)}`]);

const errorWords = (error) =>
  [`${plain(error.error)}, ${moment(error.time)}`, error.message].filter(Boolean).join(": ");
