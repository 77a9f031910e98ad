// The list of exchanges: one line each, which opens to its attempts and its excluded candidates.

import { read } from "./api.js";
import { countdown } from "./countdown.js";
import { attribute, fresh, h, rows, text } from "./dom.js";
import { moment, wait } from "./format.js";
import { arrow, opens } from "./opening.js";
import { fact, unseen } from "./tables.js";
import { timeline } from "./timeline.js";
import { ending, outcome, plain } from "./words.js";

const CELLS = ["when", "sign", "words", "asked", "trail", "first", "whole"];

/** The list's element and the function that shows it a new state: `[element, update(records)]`. */
export function exchangeList() {
  const list = h("ol", { class: "exchanges" });
  return [list, (records) => rows(list, records, (record) => record.seq, line)];
}

function line(record) {
  const panel = h("div", { class: "panel", id: fresh("exchange"), hidden: true });
  const cells = Object.fromEntries(CELLS.map((name) => [name, h("span", { class: `x-${name}` })]));
  cells.sign.classList.add("sign");
  attribute(cells.sign, "aria-hidden", "true");
  const head = h("button", { class: "x-head", type: "button" }, arrow(), ...Object.values(cells));
  let isFilled = false;
  opens(head, panel, () => {
    if (!isFilled) fill(panel, record);
    isFilled = true;
  });
  tell(cells, record); // an exchange that has ended does not change
  return [h("li", { class: "exchange", "data-id": record.request_id }, head, panel), () => {}];
}

/** The attempts are part of the record; excluded candidates are loaded when the panel is opened. */
async function fill(panel, record) {
  const excludedList = h("div", { class: "excluded small soft", text: "Loading excluded candidates …" });
  panel.replaceChildren(facts(record), ...(record.attempts.length ? [timeline(record)] : []), excludedList);
  if (!record.excluded_count) {
    text(excludedList, "No candidates were excluded.");
    return;
  }
  try {
    const { excluded } = await read(`/api/exchanges/${encodeURIComponent(record.request_id)}`);
    excludedList.replaceChildren(excludedSection(excluded));
  } catch (error) {
    text(excludedList, `The excluded candidates could not be loaded: ${error.message}`);
  }
}

function tell(cells, record) {
  const end = ending(record);
  text(cells.when, moment(record.started));
  text(cells.sign, end.sign);
  attribute(cells.sign, "data-tone", end.tone);
  text(cells.words, end.words);
  cells.words.className = `x-words ${end.tone}`;
  text(cells.asked, record.model === record.mode ? record.model : `${record.model} · ${record.mode}`);
  cells.trail.replaceChildren(...trail(record));
  text(cells.first, firstContent(record));
  text(cells.whole, wait(record.ended_ms));
  attribute(cells.first, "title", "time to first content");
  attribute(cells.whole, "title", "total time");
}

function trail(record) {
  const said = (record.attempts ?? []).filter((each) => each.outcome !== "hedge_triggered");
  if (!said.length) return [h("span", { class: "soft", text: "no attempts" })];
  return [...said]
    .sort((a, b) => a.n - b.n)
    .map((attempt) => {
      const { tone, words } = outcome(attempt.outcome);
      return h(
        "span",
        { class: "stop", "data-tone": tone },
        `${attempt.provider}/${attempt.model}`,
        unseen(` ${words}`),
      );
    });
}

/** Milliseconds from the client's request to the first content of the answer, in words. */
function firstContent(record) {
  const isSeen = (each) => each.first_content_ms !== null && outcome(each.outcome).tone === "good";
  const seen = (record.attempts ?? []).find(isSeen);
  return seen ? wait((seen.started - record.started) * 1000 + seen.first_content_ms) : "";
}

function facts(record) {
  const known = [
    ["request", record.request_id],
    ["status", record.status ?? "none (client left)"],
    ["error", record.error && plain(record.error)],
    ["client", record.client],
    ["session", record.session],
    ["sticky", record.sticky],
    ["answer", record.stream ? "streamed" : "not streamed"],
  ].filter(([, value]) => value);
  const list = h("dl", { class: "facts small" });
  rows(list, known, ([name]) => name, fact);
  return list;
}

function excludedSection(excluded) {
  return h(
    "section",
    {},
    h("h3", { text: `Excluded (${excluded.length})` }),
    h("ul", { class: "small" }, excluded.map(excludedItem)),
  );
}

function excludedItem({ provider, model, key, reason, detail, until }) {
  const isActive = until && until * 1000 > Date.now();
  return h(
    "li",
    {},
    h("b", { text: `${provider}/${model}${key ? `, key ${key}` : ""}` }),
    h("span", { class: "tag", text: plain(reason) }),
    detail ? h("span", { class: "soft", text: detail }) : null,
    isActive ? h("span", { class: "soft" }, "for ", countdown(until)) : null,
  );
}
