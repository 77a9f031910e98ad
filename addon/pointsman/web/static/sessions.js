// Sessions: the conversations, with the pin and the bans of each.

import { countdown, until } from "./countdown.js";
import { confirmed } from "./dialogs.js";
import { h, rows, show, text } from "./dom.js";
import { count, moment, plural } from "./format.js";
import { unban } from "./mending.js";
import { blank } from "./stage.js";
import { button, cell, fact, headings } from "./tables.js";
import { plain } from "./words.js";

export const TITLE = "Sessions";

const EVERY = 4000;
const LIMIT = 200;
const COLUMNS = ["Session", "Identified by", "Pinned to", "Failures", "Bans", "Last used", "Expires in", ""];

export function open(stage) {
  const body = h("tbody");
  const table = h("table", { class: "table" }, headings(COLUMNS), body);
  const nothing = blank(
    "No sessions yet.",
    "A session begins with its first answer. sticky.key_sources defines which requests share a session.",
  );
  const stats = h("dl", { class: "facts small" });
  const number = h("p", { class: "soft small" });
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number),
    h(
      "div",
      { class: "stack" },
      h("section", { class: "sheet", "aria-label": "Sessions" }, table, nothing),
      h("section", { class: "sheet sheet-body", "aria-label": "Since the start" }, stats),
    ),
  );
  stage.watch(`/api/sessions?limit=${LIMIT}`, EVERY, (told) => {
    rows(
      body,
      told.sessions,
      (each) => each.session,
      (each) => sessionRow(each, stage),
    );
    show(table, told.sessions.length > 0);
    show(nothing, told.sessions.length === 0);
    const isFull = told.sessions.length === LIMIT;
    text(number, isFull ? `the ${LIMIT} most recently used` : plural(told.sessions.length, "session"));
    rows(stats, figures(told.stats), ([name]) => name, fact);
  });
}

/** Figures of a nested object, named by their way in it, in words. */
function figures(stats, above = "") {
  return Object.entries(stats).flatMap(([name, value]) => {
    const full = above ? `${above} ${plain(name)}` : plain(name);
    if (value !== null && typeof value === "object") return figures(value, full);
    if (typeof value === "number") return [[full, Number.isInteger(value) ? count(value) : value.toFixed(2)]];
    return typeof value === "boolean" ? [[full, value ? "yes" : "no"]] : [];
  });
}

function sessionRow(first, stage) {
  const cells = Object.fromEntries(["session", "source", "pin", "failures", "used"].map((name) => [name, h("span")]));
  cells.session.className = "mono";
  const bans = h("ul", { class: "bans" });
  const left = countdown(first.expires);
  const drop = async () => {
    const explanation =
      "Its pin, bans and failure counts will be deleted. The conversation's next request begins a new session.";
    if (!(await confirmed(`Delete session ${first.session}?`, explanation, "Delete"))) return;
    const at = `/api/sessions/${encodeURIComponent(first.session)}`;
    await stage.change("DELETE", at, undefined, "Session deleted.");
  };
  const row = h(
    "tr",
    { "data-id": first.session },
    cell("Session", cells.session, "lead"),
    cell("Identified by", cells.source),
    cell("Pinned to", cells.pin),
    cell("Failures", cells.failures),
    cell("Bans", bans),
    cell("Last used", cells.used),
    cell("Expires in", left),
    cell("", button("Delete", drop, `session ${first.session}`), "act"),
  );
  return [
    row,
    (session) => {
      text(cells.session, session.session);
      text(cells.source, plain(session.source));
      text(cells.pin, pinned(session.pin));
      const failures = Object.entries(session.failures).map(([name, times]) => `${name} ${times}`);
      text(cells.failures, failures.join(", ") || "none");
      text(cells.used, moment(session.used));
      until(left, session.expires);
      rows(
        bans,
        session.bans,
        (ban) => `${ban.provider}/${ban.model ?? ""}`,
        (ban) => banItem(session.session, ban, stage),
      );
    },
  ];
}

function pinned(pin) {
  if (!pin) return "not pinned";
  return `${pin.provider}/${pin.model}${pin.key ? ` · ${pin.key}` : ""}`;
}

function banItem(session, ban, stage) {
  const name = ban.model === null ? ban.provider : `${ban.provider}/${ban.model}`;
  const tag = h("span", { class: "tag", "data-tone": "warn", title: plain(ban.reason), text: name });
  return [
    h(
      "li",
      {},
      tag,
      button("Unban", () => unban(stage, { session, ...ban }), name),
    ),
    () => {},
  ];
}
