// A list of requests: one line each, which opens to what was done for it.

import { attribute, fresh, h, rows } from "./dom.js";
import { NOTHING, large, moment, money, wait } from "./format.js";
import { arrow, opens } from "./opening.js";
import { result } from "./reasons.js";
import { requestDetail } from "./request_detail.js";
import { unseen } from "./tables.js";

const CELLS = [
  ["when", "Ended"],
  ["sign", ""],
  ["words", "Result"],
  ["asked", "Asked for"],
  ["trail", "Sent to"],
  ["client", "Client"],
  ["session", "Session"],
  ["tokens", "Tokens"],
  ["cost", "Cost"],
  ["whole", "Took"],
];

/** `{ element, update(requests) }`. `brief`: without client, session and cost. */
export function requestList(brief = false) {
  const list = h("ol", { class: "exchanges" });
  const head = h(
    "div",
    { class: "x-names small soft", "aria-hidden": "true" },
    h("span"),
    CELLS.map(([name, title]) => h("span", { class: `x-${name}`, text: title })),
  );
  return {
    element: h("div", { class: brief ? "requests brief" : "requests" }, head, list),
    update(requests) {
      head.hidden = requests.length === 0;
      rows(list, requests, (row) => `${row.instance ?? ""} ${row.id}`, line);
    },
  };
}

/** Input and output of a request's usage: `12.4 k → 310`. */
export function tokens(usage) {
  if (!usage) return NOTHING;
  return `${usage.estimated ? "≈ " : ""}${large(prompt(usage))} → ${large(usage.output)}`;
}

/** The whole prompt. */
export const prompt = (usage) => usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;

/** What a request cost: an en dash where nothing was used. */
export const costOf = (row) => (row.usage || row.cost_usd ? money(row.cost_usd) : NOTHING);

function line(row) {
  const panel = h("div", { class: "panel", id: fresh("request"), hidden: true });
  const cells = CELLS.map(([name]) => {
    const shown = content(name, row);
    return h("span", { class: shown.at(-1) === NOTHING ? `x-${name} is-empty` : `x-${name}` }, shown);
  });
  const head = h("button", { class: "x-head", type: "button" }, arrow(), cells);
  let isFilled = false;
  opens(head, panel, () => {
    if (!isFilled) panel.append(requestDetail(row));
    isFilled = true;
  });
  return [h("li", { class: "exchange", "data-id": row.request_id }, head, panel), () => {}]; // it does not change
}

function content(name, row) {
  const told = result(row);
  switch (name) {
    case "when":
      return [moment(row.time)];
    case "sign":
      return [h("span", { class: "sign", "data-tone": told.tone, "aria-hidden": "true", text: told.sign })];
    case "words":
      return [h("b", { text: row.status ?? NOTHING }), " ", h("span", { class: told.tone, text: told.words })];
    case "asked":
      return [row.mode && row.mode !== row.model ? `${row.model} · ${row.mode}` : (row.model ?? row.path ?? NOTHING)];
    case "trail":
      return trail(row, told.tone);
    case "client":
      return [row.client ?? NOTHING];
    case "session":
      return [row.session ?? NOTHING];
    case "tokens":
      return [unseen("tokens "), tokens(row.usage)];
    case "cost":
      return [unseen("cost "), costOf(row)];
    default:
      return [unseen("took "), wait(row.duration_ms)];
  }
}

/** The attempts that failed, then the target that answered. */
function trail(row, tone) {
  if (!row.attempts) return [h("span", { class: "soft", text: "no attempts" })];
  const failed = (row.trail ?? "").split(" ").filter(Boolean);
  const stops = failed.map((each) => {
    const [, target, why] = /^(.*)@([^@]*)$/.exec(each) ?? [null, each, ""];
    const lost = why === "hedge_loser";
    return stop(target, lost ? "idle" : tone === "warn" ? "warn" : "bad", lost ? "lost the race" : why);
  });
  if (row.target && !failed.some((each) => each.startsWith(`${row.target}@`) && tone !== "good"))
    stops.push(stop(row.target, tone, result(row).words));
  return stops;
}

function stop(target, tone, words) {
  const element = h("span", { class: "stop", "data-tone": tone }, target, unseen(` ${words}`));
  attribute(element, "title", words);
  return element;
}
