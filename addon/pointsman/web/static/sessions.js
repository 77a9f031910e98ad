// Sessions: the conversations, with the pin and the bans of each.

import { countdown, until } from "./countdown.js";
import { confirmed } from "./dialogs.js";
import { h, rows, show, text } from "./dom.js";
import { count, moment, plural } from "./format.js";
import { listing } from "./listing.js";
import { unban } from "./mending.js";
import { blankLater } from "./stage.js";
import { button, cell, fact, headings, unseen } from "./tables.js";
import { plain } from "./words.js";

export const TITLE = "Sessions";

const EVERY = 4000;
const LIMIT = 200;
const COLUMNS = ["Session", "Client", "Model", "Turns", "Pinned to", "Failures", "Bans", "Last used", "Expires in", ""];

export function open(stage) {
  const body = h("tbody");
  const table = h("table", { class: "table" }, headings(COLUMNS), body);
  const nothing = blankLater(
    "No sessions yet.",
    "A session begins with its first answer. sticky.key_sources defines which requests share a session.",
  );
  const stats = h("dl", { class: "facts small" });
  const number = h("p", { class: "soft small" });
  const bans = banList(stage);
  const listed = listing(
    "sessions",
    (each) => [each.session, each.words, each.client, each.model, plain(each.source), pinned(each.pin)].join(" "),
    (page) =>
      rows(
        body,
        page,
        (each) => each.session,
        (each) => sessionRow(each, stage),
      ),
  );
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number),
    h(
      "div",
      { class: "stack" },
      bans.element,
      listed.search,
      h("section", { class: "sheet", "aria-label": "Sessions" }, table, nothing, listed.pages),
      h("section", { class: "sheet sheet-body", "aria-label": "Since the start" }, stats),
    ),
  );
  stage.watch("/api/bans", EVERY, (told) => bans.update(told.bans));
  stage.watch(`/api/sessions?limit=${LIMIT}`, EVERY, (told) => {
    bans.know(told.sessions);
    listed.update(told.sessions);
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
  const names = ["words", "session", "client", "model", "turns", "pin", "failures", "used"];
  const cells = Object.fromEntries(names.map((name) => [name, h("span")]));
  cells.words.className = "session-words";
  cells.session.className = "mono small soft";
  const bans = h("ul", { class: "bans" });
  const left = countdown(first.expires);
  const drop = async () => {
    const explanation =
      "Its pin, bans and failure counts will be deleted. The conversation's next request begins a new session.";
    if (!(await confirmed(`Delete session ${first.session}?`, explanation, "Delete"))) return;
    const at = `/api/sessions/${encodeURIComponent(first.session)}`;
    await stage.change("DELETE", at, undefined, "Session deleted.");
  };
  const requests = h(
    "a",
    { class: "button", href: `#/requests?session=${encodeURIComponent(first.session)}` },
    "Requests",
    unseen(` of session ${first.session}`),
  );
  const row = h(
    "tr",
    { "data-id": first.session },
    cell("Session", h("div", {}, cells.words, cells.session), "lead"),
    cell("Client", cells.client),
    cell("Model", cells.model),
    cell("Turns", cells.turns),
    cell("Pinned to", cells.pin),
    cell("Failures", cells.failures),
    cell("Bans", bans),
    cell("Last used", cells.used),
    cell("Expires in", left),
    cell("", h("div", { class: "buttons" }, requests, button("Delete", drop, `session ${first.session}`)), "act"),
  );
  return [
    row,
    (session) => {
      show(cells.words, Boolean(session.words));
      text(cells.words, session.words);
      text(cells.session, `${session.session} · by ${plain(session.source)}`);
      text(cells.client, session.client ?? "no name");
      text(cells.model, session.model || "none");
      text(cells.turns, count(session.turns));
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

const scopeOf = ({ provider, model }) => (model === null ? provider : `${provider}/${model}`);

function banItem(session, ban, stage) {
  const tag = h("span", { class: "tag", "data-tone": "warn", title: plain(ban.reason), text: scopeOf(ban) });
  return [
    h(
      "li",
      {},
      tag,
      button("Unban", () => unban(stage, { session, ...ban }), scopeOf(ban)),
    ),
    () => {},
  ];
}

/** Every ban of every session. */
function banList(stage) {
  const list = h("ul", { class: "side-list" });
  const number = h("span", { class: "soft small" });
  const element = h(
    "section",
    { class: "sheet", hidden: true, "aria-label": "Bans" },
    h("div", { class: "sheet-head" }, h("h2", { text: "Bans" }), number),
    list,
  );
  const listed = listing("bans", scopeOf, (page) => rows(list, page, banKey, (ban) => banRow(ban, stage)));
  element.append(listed.pages);
  let [latest, sessions] = [[], new Map()];
  const draw = () => listed.update(latest.map((ban) => ({ ...ban, whose: sessions.get(ban.session) })));
  return {
    element,
    update(bans) {
      show(element, bans.length > 0);
      text(number, plural(bans.length, "ban"));
      latest = bans;
      draw();
    },
    /** What is known of sessions. */
    know(told) {
      sessions = new Map(told.map((each) => [each.session, each]));
      draw();
    },
  };
}

/** The session of a ban, with its client and its first words where they are known. */
function conversation({ session, whose }) {
  const client = whose?.client ? ` of ${whose.client}` : "";
  return `session ${session}${client}${whose?.words ? `: ${whose.words}` : ""}`;
}

const banKey = ({ session, provider, model }) => JSON.stringify([session, provider, model]);

function banRow(first, stage) {
  const why = h("span", { class: "soft small" });
  const left = countdown(first.until);
  const lift = button("Unban", () => unban(stage, first), `${scopeOf(first)} for session ${first.session}`);
  return [
    h("li", {}, h("div", { class: "side-name" }, h("b", { text: scopeOf(first) }), h("span", { class: "soft small" }, why, " · ", left)), lift),
    (ban) => {
      text(why, `${conversation(ban)} · ${plain(ban.reason)}`);
      until(left, ban.until);
    },
  ];
}
