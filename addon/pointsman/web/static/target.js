// One target: its place, switch, keys and cooldown, and the terms of its scores.

import { countdown, until } from "./countdown.js";
import { attribute, fresh, h, place, rows, show, svg, text } from "./dom.js";
import { count, large, money, plural, wait } from "./format.js";
import { endCooldown } from "./mending.js";
import { complain, tell } from "./notices.js";
import { arrow, opens } from "./opening.js";
import { button, fact, unseen } from "./tables.js";
import { toggle } from "./toggle.js";
import { limitName, statusTag, totalFacts } from "./status.js";
import { plain } from "./words.js";

const MODES = ["fast", "balanced", "smart"];
const TERMS = ["reliability", "speed", "latency", "intelligence", "headroom", "penalty"];
const FORMULA = "score = reliability × weighted mean of (1, speed, latency, intelligence) × headroom − penalty";

/** A row for `rows`: `yard` moves and changes targets. */
export function targetRow(yard) {
  let target;
  const name = h("b");
  const beside = h("span", { class: "soft small" });
  const known = h("span", { class: "soft small target-facts" });
  const test = button("Test", () => tried(yard.stage, target, test));
  const tested = unseen("");
  test.append(tested);
  const number = h("span", { class: "target-place soft" });
  const flip = toggle((enabled) => yard.change(target, { enabled }));
  const up = mover("Earlier", "M7 11 V3 M3 7 L7 3 L11 7", () => yard.move(target, -1));
  const down = mover("Later", "M7 3 V11 M3 7 L7 11 L11 7", () => yard.move(target, 1));
  const state = targetState(yard.stage);
  const scores = scoreBars();
  const more = details(yard, () => target);
  const row = h(
    "li",
    { class: "target" },
    h(
      "div",
      { class: "target-line" },
      yard.handle(),
      number,
      h("div", { class: "target-name" }, name, beside, known),
      state.element,
      scores.element,
      h("div", { class: "target-acts" }, h("div", { class: "buttons" }, up, down, test), flip.element, more.button),
    ),
    more.panel,
  );
  return [
    row,
    ({ target: next, at, last }) => {
      target = next;
      attribute(row, "data-id", target.target);
      attribute(row, "data-off", !(target.enabled && target.provider_enabled));
      text(number, at + 1);
      text(name, target.name ?? target.model);
      text(beside, `${target.provider} · ${target.model}`);
      text(known, shortFacts(target).join(" · "));
      text(tested, ` ${target.target}`);
      attribute(up, "aria-disabled", at === 0 ? "true" : null);
      attribute(down, "aria-disabled", at === last ? "true" : null);
      for (const [button, word] of [
        [up, "earlier"],
        [down, "later"],
      ])
        attribute(button, "aria-label", `Try ${target.target} ${word}`);
      flip.update(target.enabled, `Use ${target.target}`);
      state.update(target);
      scores.update(target.scores);
      more.update(target);
    },
  ];
}

/** Context, price, what is left of its limits, and how much is known of it, if it is known. */
function shortFacts(target) {
  const facts = [];
  if (target.context !== null) facts.push(`${large(target.context)} context`);
  if (target.price) facts.push(`${money(target.price.input)} in, ${money(target.price.output)} out per M`);
  for (const [name, { limit, left }] of Object.entries(target.limits))
    facts.push(`${count(left)} of ${count(limit)} ${limitName(name)} left`);
  facts.push(target.samples ? plural(target.samples, "sample") : "no samples");
  if (target.first_content_ms !== null) facts.push(`first content ${wait(target.first_content_ms)}`);
  if (target.tokens_per_second !== null) facts.push(`${count(Math.round(target.tokens_per_second))} tokens/s`);
  return facts;
}

/** Asks the model for one token. */
async function tried(stage, { provider, model, target }, pressed) {
  attribute(pressed, "aria-disabled", "true");
  const report = await stage.change("POST", `/api/providers/${encodeURIComponent(provider)}/model-tests`, { model });
  attribute(pressed, "aria-disabled", null);
  if (!report) return;
  if (!report.ok) {
    complain(`${target} failed: ${report.message} (${wait(report.ms)})`);
    return;
  }
  const first = report.first_content_ms === null ? "no text in one token" : `first content after ${wait(report.first_content_ms)}`;
  const speed = report.tokens_per_second === null ? "" : `, usually ${count(Math.round(report.tokens_per_second))} tokens/s`;
  const key = report.key === null ? "" : `, with ${report.key}`;
  tell(`${target} answers: ${first}, whole after ${wait(report.ms)}${speed}${key}.`);
}

function mover(title, path, move) {
  const made = h("button", { class: "button square", type: "button", title });
  const line = {
    viewBox: "0 0 14 14",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 1.6,
    "aria-hidden": "true",
  };
  made.append(svg("svg", line, svg("path", { d: path })));
  made.addEventListener("click", () => made.getAttribute("aria-disabled") !== "true" && move());
  return made;
}

function targetState(stage) {
  const state = statusTag();
  const keys = h("span", { class: "tag" });
  const cooling = h("span", { class: "tag", "data-tone": "warn" });
  const left = countdown(0);
  const why = h("span");
  cooling.append(why, left);
  let target;
  const end = button("End", () => endCooldown(stage, target));
  const cooldown = h("span", { class: "target-cooldown" }, cooling, end);
  return {
    element: h("div", { class: "target-state" }, state.element, keys, cooldown),
    update(next) {
      target = { provider: next.provider, model: next.model };
      state.update(next.condition);
      show(keys, next.keys.total > 0);
      attribute(keys, "data-tone", next.keys.usable ? null : "bad");
      text(keys, `${next.keys.usable}/${next.keys.total} keys usable`);
      show(cooldown, next.cooldown !== null);
      if (!next.cooldown) return;
      text(why, `${plain(next.cooldown.reason)}: `);
      until(left, next.cooldown.until);
      attribute(end, "aria-label", `End the cooldown of ${next.target}`);
    },
  };
}

/** The score in each mode, as a bar and a figure. */
function scoreBars() {
  const bars = MODES.map((mode) => [mode, termBar(mode)]);
  return {
    element: h(
      "div",
      { class: "scores" },
      bars.map(([, bar]) => bar.element),
    ),
    update: (scores) => bars.forEach(([mode, bar]) => bar.update(scores[mode]?.score)),
  };
}

/** A bar from 0 to 1 with its name and figure. */
function termBar(name) {
  const fill = h("span", { class: "term-fill" });
  const figure = h("span", { class: "term-figure" });
  const element = h(
    "div",
    { class: "term", "data-term": name },
    h("span", { class: "term-name soft", text: name }),
    h("span", { class: "term-track", "aria-hidden": "true" }, fill),
    figure,
  );
  return {
    element,
    update(value) {
      const known = typeof value === "number";
      place(fill, { width: `${known ? Math.min(1, Math.max(0, value)) * 100 : 0}%` });
      text(figure, known ? value.toFixed(2) : "–");
    },
  };
}

function details(yard, current) {
  const panel = h("div", { class: "panel target-more", id: fresh("target"), hidden: true });
  const whose = unseen("");
  const why = h("button", { class: "button bare", type: "button" }, arrow(), "Why", whose);
  opens(why, panel);
  const columns = MODES.map((mode) => [mode, [...TERMS, "score"].map((term) => [term, termBar(term)])]);
  const column = ([mode, bars]) =>
    h(
      "section",
      {},
      h("h3", { text: mode }),
      bars.map(([, bar]) => bar.element),
    );
  const facts = h("dl", { class: "facts small" });
  const pool = h(
    "select",
    { class: "input" },
    MODES.map((name) => h("option", { value: name, text: name })),
  );
  pool.addEventListener("change", () => yard.change(current(), { pool: pool.value }));
  panel.append(
    h("div", { class: "term-columns" }, columns.map(column)),
    h("p", { class: "soft small", text: FORMULA }),
    facts,
    h("label", { class: "field pool-choice" }, h("span", { text: "Pool" }), pool),
  );
  const update = (target) => {
    text(whose, ` ${target.target} has this score`);
    for (const [mode, bars] of columns) for (const [term, bar] of bars) bar.update(target.scores[mode]?.[term]);
    if (document.activeElement !== pool) pool.value = target.pool;
    rows(facts, described(target), ([name]) => name, fact);
  };
  return { panel, button: why, update };
}

function described(target) {
  return [
    ["context", target.context === null ? "unknown" : `${large(target.context)} tokens`],
    ["supports", target.supports === null ? "unknown" : target.supports.join(", ") || "text only"],
    ["intelligence rank", target.intelligence === null ? "unranked" : count(target.intelligence)],
    ["speed rank", target.speed === null ? "unranked" : count(target.speed)],
    ["protection", target.protection],
    ["changed here", target.overridden.join(", ") || "no"],
    ...totalFacts(target.totals, target.limits),
  ];
}
