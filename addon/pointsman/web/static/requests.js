// Requests: every request on record, with a search, filters, and a page for each.

import { Ended, Refused, read } from "./api.js";
import { attribute, h, show, text } from "./dom.js";
import { NOTHING, count, plural } from "./format.js";
import { ofAll, queryOfAll, whose } from "./instances.js";
import { EXAMPLE } from "./now.js";
import { result } from "./reasons.js";
import { requestDetail } from "./request_detail.js";
import { requestFilters } from "./request_filters.js";
import { requestList } from "./request_list.js";
import { toRow, watchRequests } from "./request_source.js";
import { blank, blankLater } from "./stage.js";
import { button } from "./tables.js";

export const TITLE = "Requests";

const EVERY = 2000;
const PAGE = 60;

/** `rest` is what follows the page's name in the address: filters, or a request's id. */
export function open(stage, rest) {
  if (rest.startsWith("/")) openOne(stage, decoded(rest.slice(1)));
  else openList(stage, rest.replace(/^\?/, ""));
}

function openList(stage, first) {
  const filters = requestFilters(first, filtered);
  const list = requestList();
  const live = liveSwitch(() => (live.isOn() ? newest() : asked.soon()));
  const pages = pager(() => asked.soon());
  const number = h("p", { class: "soft small", role: "status" });
  const problem = h("p", { class: "sheet sheet-body warn", role: "alert", hidden: true });
  const none = blankLater("No requests yet.", "Configure a client to use this router, or try it from a terminal:", EXAMPLE(location.origin));
  const unmatched = blankLater("No request matches these filters.", button("Clear filters", () => filters.clear()));
  const files = h("div", { class: "buttons" });
  const instances = whose();
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number, instances.element, live.element, files),
    h(
      "div",
      { class: "stack" },
      filters.element,
      problem,
      h("section", { class: "sheet", "aria-label": "Requests" }, list.element, none, unmatched, pages.element),
    ),
  );
  let opened = null;

  function query() {
    const wanted = filters.query();
    if (!live.isOn() && !wanted.has("until")) wanted.set("until", live.since());
    if (pages.cursor()) wanted.set("cursor", pages.cursor());
    wanted.set("limit", PAGE);
    for (const [name, value] of Object.entries(ofAll())) wanted.set(name, value);
    return String(wanted);
  }

  function filtered() {
    const address = filters.address();
    history.replaceState(null, "", address ? `#/requests?${address}` : "#/requests");
    newest();
  }

  function newest() {
    pages.first();
    asked.soon();
  }

  function shown({ requests, next, problem: trouble, isBehind, instances: answering }) {
    instances.update(answering);
    list.update(requests);
    filters.suggest(requests);
    pages.update(next, requests.length);
    text(number, next || pages.cursor() ? `${count(requests.length)} on this page` : plural(requests.length, "request"));
    show(none, requests.length === 0 && filters.isEmpty());
    show(unmatched, requests.length === 0 && !filters.isEmpty());
    show(problem, trouble !== null);
    text(problem, trouble && (isBehind ? behind(trouble) : noHistory(trouble)));
    files.replaceChildren(...["csv", "jsonl"].map((kind) => fileLink(kind, filters.query())));
    show(files, trouble === null && requests.length > 0);
    openOnly(requests);
  }

  /** A search that finds one request opens it. */
  function openOnly(requests) {
    if (requests.length !== 1 || !filters.search() || opened === requests[0].id) return;
    opened = requests[0].id;
    stage.element.querySelector(".x-head[aria-expanded=false]")?.click();
  }

  /** Nothing is shown for filters that are wrong, rather than what others have found. */
  function refused(error) {
    filters.refused(error);
    if (!error) return;
    list.update([]);
    pages.update(null, 0);
    text(number, "");
    for (const each of [none, unmatched, problem, files]) show(each, false);
  }

  const asked = watchRequests(stage, query, EVERY, shown, refused);
}

const noHistory = (trouble) =>
  `There is no history (${trouble}). These are the last exchanges since the start; refused requests are missing.`;
const behind = (trouble) =>
  `The history cannot be written (${trouble}). The newest of these are the last exchanges; refused requests are missing until it can.`;

function fileLink(kind, query) {
  const words = { csv: "CSV", jsonl: "JSON lines" }[kind];
  const title = "The newest 10,000 that match; the admin API has the others";
  return h("a", { class: "button", href: `/api/requests.${kind}?${query}`, download: `requests.${kind}`, title, text: words });
}

/** Whether new requests are shown as they come. */
function liveSwitch(changed) {
  let frozen = null;
  const element = h("button", {
    class: "button",
    type: "button",
    "aria-pressed": "true",
    text: "Live",
    on: {
      click: () => {
        frozen = frozen === null ? new Date().toISOString() : null;
        attribute(element, "aria-pressed", String(frozen === null));
        text(element, frozen === null ? "Live" : "Paused");
        changed();
      },
    },
  });
  return { element, isOn: () => frozen === null, since: () => frozen };
}

/** Pages by cursor: those that were seen are known, so that one can go back. */
function pager(changed) {
  let before = []; // the cursors of the pages from the second to this one
  let next = null;
  const turn = (words, click) => button(words, click);
  const first = turn("Newest", () => go([]));
  const newer = turn("Newer", () => go(before.slice(0, -1)));
  const older = turn("Older", () => next && go([...before, next]));
  const place = h("span", { class: "soft small" });
  const element = h("nav", { class: "pages", "aria-label": "Pages", hidden: true }, first, newer, place, older);

  function go(cursors) {
    before = cursors;
    next = null;
    changed();
    scrollTo(0, 0);
  }

  return {
    element,
    cursor: () => before.at(-1) ?? null,
    first: () => (before = []),
    update(following, shown) {
      next = following;
      show(element, next !== null || before.length > 0);
      for (const each of [first, newer]) attribute(each, "aria-disabled", before.length === 0 ? "true" : null);
      attribute(older, "aria-disabled", next === null ? "true" : null);
      text(place, `${count(before.length * PAGE + (shown ? 1 : 0))} to ${count(before.length * PAGE + shown)}`);
    },
  };
}

/** The page of one request. One that is still running is looked for again. */
function openOne(stage, id) {
  const place = h("div", { class: "stack" }, h("p", { class: "soft", text: "Loading …" }));
  stage.element.append(
    h(
      "div",
      { class: "room-head" },
      h("h1", { class: "request-title", text: `Request ${id}` }),
      h("a", { class: "button", href: "#/requests", text: "All requests" }),
    ),
    place,
  );
  let timer = null;
  let isLeft = false;

  async function look() {
    try {
      const row = await lookUp(id);
      if (isLeft) return;
      stage.heard(null);
      place.replaceChildren(row ? sheet(row) : missing());
      if (!row) timer = setTimeout(look, EVERY);
    } catch (error) {
      if (isLeft || error instanceof Ended) return;
      stage.heard(error);
      timer = setTimeout(look, EVERY * 2);
    }
  }

  stage.leaving(() => {
    isLeft = true;
    clearTimeout(timer);
  });
  look();
}

const missing = () =>
  h(
    "div",
    { class: "sheet" },
    blank(
      "No request with this id is on record.",
      "It may still be running, or it is older than history.keep. This page looks for it every two seconds.",
    ),
  );

function sheet(row) {
  const { tone, sign, words } = result(row);
  return h(
    "section",
    { class: "sheet sheet-body", "aria-label": "Request" },
    h(
      "p",
      { class: "request-result" },
      h("span", { class: "sign", "data-tone": tone, "aria-hidden": "true", text: sign }),
      h("b", { text: row.status ?? NOTHING }),
      h("span", { class: tone, text: words }),
      h("span", { class: "soft", text: [row.model, row.target].filter(Boolean).join(" → ") }),
    ),
    requestDetail(row),
  );
}

/** From the history, else from the router's memory; null if it is in neither. */
async function lookUp(id) {
  const name = encodeURIComponent(id);
  for (const [path, toItsRow] of [
    [`/api/requests/${name}${queryOfAll()}`, (row) => row],
    [`/api/exchanges/${name}`, toRow],
  ]) {
    try {
      return toItsRow(await read(path));
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
    }
  }
  return null;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
