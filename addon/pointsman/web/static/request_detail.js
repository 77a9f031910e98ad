// What was done for one request: its facts, why it was refused and what to do, its attempts, its excluded candidates.

import { Ended, Refused, read } from "./api.js";
import { countdown } from "./countdown.js";
import { h, rows } from "./dom.js";
import { large, moment, money, wait } from "./format.js";
import { queryOfAll } from "./instances.js";
import { reason, remedy } from "./reasons.js";
import { fact } from "./tables.js";
import { timeline } from "./timeline.js";
import { plain, readable } from "./words.js";

const SAME = 0.05; // seconds by which the two records of one request may differ
const NEVER_STREAMED = "not streamed";

/** The detail of a row of a list. Its attempts and excluded candidates are loaded. */
export function requestDetail(row) {
  const attempts = h("div", { class: "small soft", text: "Loading …" });
  fill(attempts, row);
  return h("div", {}, why(row), facts(row), links(row), attempts);
}

/** The address of a request's own page. */
export const pageOf = (row) => `#/requests/${encodeURIComponent(row.request_id)}`;

/** The router's memory of an exchange has more than the history: phases, reasons, excluded candidates. */
async function fill(place, row) {
  const id = encodeURIComponent(row.request_id);
  try {
    const memory = row.message === null ? await found(`/api/exchanges/${id}`) : null;
    if (memory && Math.abs(memory.started - row.started) < SAME) {
      place.className = "";
      place.replaceChildren(...(memory.attempts.length ? [timeline(memory)] : []), excludedList(memory.excluded));
      return;
    }
    const stored = row.attempts ? await found(`/api/requests/${id}${queryOfAll()}`) : null;
    if (stored?.id === row.id && stored.attempt_list.length) {
      place.className = "";
      place.replaceChildren(timeline(fromHistory(stored)));
    } else place.textContent = row.attempts ? "The attempts are no longer on record." : "No provider was asked.";
  } catch (error) {
    if (!(error instanceof Ended)) place.textContent = `The attempts could not be loaded: ${error.message}`;
  }
}

/** What is there, null for nothing. */
async function found(path) {
  try {
    return await read(path);
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

/** Attempts of the history in the form of those in memory: of their phases only the first content is known. */
function fromHistory(stored) {
  const attempts = stored.attempt_list.map((each) => ({
    ...each,
    started: each.ended - each.duration_ms / 1000,
    settled_ms: each.duration_ms,
    isStored: true,
  }));
  return { ...stored, ended_ms: stored.duration_ms, attempts };
}

function why(row) {
  const words = reason(row);
  if (words === null) return null;
  return h(
    "div",
    { class: "why" },
    h("p", {}, h("b", { text: `${row.status ?? "No status"}: ${words}. ` }), row.message),
    remedy(row) ? h("p", { class: "remedy", text: remedy(row) }) : null,
  );
}

function facts(row) {
  const { usage } = row;
  const known = [
    ["request", row.request_id],
    ["asked for", row.model],
    ["began", moment(row.started)],
    ["ended", moment(row.time)],
    ["took", wait(row.duration_ms)],
    ["first content", row.first_content_ms === null ? null : wait(row.first_content_ms)],
    ["client", row.client],
    ["dialect", row.dialect && plain(row.dialect)],
    ["session", row.session],
    ["sticky", row.sticky],
    ["code", row.reason],
    ["path", row.path],
    ["sent as", row.model_sent],
    ["answer", row.attempts ? (row.stream ? "streamed" : NEVER_STREAMED) : null],
    ...Object.entries(usage ?? {})
      .filter(([name, value]) => name !== "estimated" && value > 0)
      .map(([name, value]) => [`${plain(name)} tokens`, large(value)]),
    ["cost", usage || row.cost_usd ? money(row.cost_usd) : null],
  ].filter(([, value]) => value);
  const list = h("dl", { class: "facts small" });
  rows(list, known, ([name]) => name, fact);
  return list;
}

function links(row) {
  const link = (words, href) => h("a", { class: "button", href, text: words });
  const alike = (name) => `#/requests?${new URLSearchParams({ [name]: row[name] })}`;
  return h(
    "div",
    { class: "buttons detail-links" },
    location.hash === pageOf(row) ? null : link("Link to this request", pageOf(row)),
    row.session ? link("Requests of this session", alike("session")) : null,
    row.client ? link("Requests of this client", alike("client")) : null,
  );
}

function excludedList(excluded) {
  if (!excluded.length) return h("p", { class: "excluded small soft", text: "No candidates were excluded." });
  return h(
    "section",
    { class: "excluded small" },
    h("h3", { text: `Excluded (${excluded.length})` }),
    h("ul", {}, excluded.slice(0, 60).map(excludedItem)),
    excluded.length > 60 ? h("p", { class: "soft", text: `and ${excluded.length - 60} more` }) : null,
  );
}

function excludedItem({ provider, model, key, reason: code, detail, until }) {
  const isActive = until && until * 1000 > Date.now();
  return h(
    "li",
    {},
    h("b", { text: `${provider}/${model}${key ? `, key ${key}` : ""}` }),
    h("span", { class: "tag", text: plain(code) }),
    detail && detail !== code ? h("span", { class: "soft", text: readable(detail) }) : null,
    isActive ? h("span", { class: "soft" }, "for ", countdown(until)) : null,
  );
}
