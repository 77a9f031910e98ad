// The attempts of one exchange as bars on one scale: the colour shows the outcome, texture and height show the phase,
// and the line below states both as text.

import { h, place, text } from "./dom.js";
import { large, money, wait } from "./format.js";
import { outcome, plain, readable } from "./words.js";

const PHASES = ["connect", "wait", "first content", "stream"];
const MARKS = ["connected_ms", "first_byte_ms", "first_content_ms"];
const MISSED = ["no connection for", "no answer for", "no content for", "stream"];
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** What an attempt did when: `[phase, from, to]` in milliseconds after its start. */
export function phases(attempt) {
  const end = attempt.settled_ms ?? 0;
  const found = [];
  let from = 0;
  for (const [index, phase] of PHASES.entries()) {
    if (attempt.isStored && index < 2) continue; // the history does not have these phases
    const mark = attempt[MARKS[index]];
    const to = mark ?? end;
    if (to > from || mark !== undefined) found.push([phase, from, Math.max(from, to)]);
    if (mark === null || mark === undefined) break;
    from = mark;
  }
  return found;
}

/** The figure of an exchange's attempts; nothing if there were none. */
export function timeline(record) {
  const attempts = (record.attempts ?? []).filter((each) => each.outcome !== "hedge_triggered");
  const slow = new Map(
    record.attempts.filter((each) => each.outcome === "hedge_triggered").map((each) => [each.n, each]),
  );
  const offset = (attempt) => Math.max(0, (attempt.started - record.started) * 1000);
  const whole = Math.max(record.ended_ms ?? 0, ...attempts.map((each) => offset(each) + (each.settled_ms ?? 0)), 1);
  const inOrder = [...attempts].sort((a, b) => a.n - b.n);
  return h(
    "div",
    { class: "timeline" },
    legend(),
    h(
      "ol",
      { class: "lanes" },
      inOrder.map((each) => lane(each, slow.get(each.n), offset(each), whole)),
    ),
    scale(whole),
  );
}

function lane(attempt, slow, offset, whole) {
  const said = outcome(attempt.outcome);
  const track = h("div", { class: "track", "data-tone": said.tone, "aria-hidden": "true" });
  for (const [phase, from, to] of phases(attempt)) {
    const bar = h("span", { class: `bar ${phase.replace(" ", "-")}` });
    place(bar, { left: share(offset + from, whole), width: share(to - from, whole) });
    track.append(bar);
  }
  if (slow?.settled_ms)
    track.append(h("span", { class: "tick", place: { left: share(offset + slow.settled_ms, whole) } }));
  return h(
    "li",
    { class: "lane", "data-outcome": attempt.outcome },
    h(
      "div",
      { class: "lane-head" },
      h("span", { class: "sign", "data-tone": said.tone, "aria-hidden": "true", text: said.sign }),
      h("b", { text: `${attempt.n}. ${attempt.provider}/${attempt.model}` }),
      h("span", { class: said.tone, text: said.words }),
      attempt.status ? h("span", { class: "soft", text: `status ${attempt.status}` }) : null,
      attempt.error && attempt.error !== String(attempt.status)
        ? h("span", { class: "soft", text: plain(attempt.error) })
        : null,
    ),
    track,
    h("p", { class: "lane-words soft small", text: inWords(attempt, slow) }),
    attempt.message ? h("p", { class: "lane-words small", text: attempt.message }) : null,
  );
}

function inWords(attempt, slow) {
  const parts = phases(attempt).map(([phase, from, to]) => {
    const index = PHASES.indexOf(phase);
    const isReached = typeof attempt[MARKS[index]] === "number";
    return `${isReached ? phase : MISSED[index]} ${wait(to - from)}`;
  });
  if (slow?.settled_ms) parts.push(`slow after ${wait(slow.settled_ms)}: hedge started`);
  if (attempt.why) parts.push(`chosen: ${readable(attempt.why)}`);
  if (attempt.key) parts.push(`key ${attempt.key}`);
  const redirect = attempt.redirect;
  if (redirect) parts.push(`requested as ${redirect.redirected_model} (${redirect.match} ${redirect.source})`);
  const usage = attempt.usage;
  if (usage) parts.push(`${large(usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h)} tokens in, ${large(usage.output)} out`);
  if (attempt.cost_usd) parts.push(money(attempt.cost_usd));
  if (attempt.finish_reason) parts.push(`finish reason ${attempt.finish_reason}`);
  if (attempt.continues) {
    parts.push(`went on with attempt ${attempt.continues} after ${attempt.prefix_chars} characters (${attempt.method})`);
  }
  if (attempt.recovery && attempt.recovery !== "off") parts.push(`not continued: ${plain(attempt.recovery)}`);
  return parts.join(" · ");
}

function legend() {
  const entries = PHASES.map((phase) =>
    h("li", {}, h("span", { class: `bar ${phase.replace(" ", "-")}`, "aria-hidden": "true" }), phase),
  );
  return h("ul", { class: "legend soft small" }, entries);
}

function scale(whole) {
  const marks = TICKS.map((part) => {
    const mark = h("span", {});
    text(mark, part === 0 ? "0" : wait(whole * part));
    return mark;
  });
  return h("div", { class: "scale soft", "aria-hidden": "true" }, marks);
}

const share = (part, whole) => `${((part / whole) * 100).toFixed(3)}%`;
