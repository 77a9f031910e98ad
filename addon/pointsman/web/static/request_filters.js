// The filters of the list of requests, which are kept in the page's address.

import { attribute, fresh, h, rows, text } from "./dom.js";
import { plain, outcome } from "./words.js";

const NAMES = ["q", "status", "outcome", "provider", "model", "client", "session", "dialect", "since", "until"];
const OUTCOMES = [
  "request_success",
  "retry_success",
  "hedge_winner",
  "stream_continued",
  "hedge_loser_cancelled",
  "own_answer",
  "refused",
  "retry_failed",
  "client_error_non_retryable",
  "client_abort",
  "stream_stalled",
  "stream_broken",
];
const DIALECTS = ["openai-chat", "openai-responses", "anthropic", "gemini"];
const SPAN = /^(\d{1,6})([smhd])$/; // as `pointsman requests --since` takes it
const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 };
const LAST = [
  ["", "any time"],
  ["15m", "the last 15 minutes"],
  ["1h", "the last hour"],
  ["24h", "the last day"],
  ["7d", "the last week"],
  ["30d", "the last month"],
];
const STATUSES = ["2xx", "4xx", "5xx", "401", "404", "429", "none"];
const MINUTE = 60_000;
const TYPING = 250; // milliseconds of silence after which what was typed counts
const SUGGESTED = 60; // names

/** `first` are the filters in the address, as `a=b&c=d`. `changed()` is called when they are others.
 * `{ element, query(), address(), isEmpty(), clear(), suggest(requests), refused(error) }`. */
export function requestFilters(first, changed) {
  const given = new URLSearchParams(first);
  const seen = Object.fromEntries(["provider", "model", "client", "session"].map((name) => [name, new Set()]));
  const lists = Object.fromEntries(Object.keys(seen).map((name) => [name, h("datalist", { id: fresh(name) })]));
  const fields = {
    q: input("search", { placeholder: "Request id, session, model, client, reason …" }),
    status: input("text", { placeholder: "such as 4xx" }),
    outcome: select([["", "any"], ...OUTCOMES.map((name) => [name, outcome(name).words])]),
    provider: suggested("provider"),
    model: suggested("model"),
    client: suggested("client"),
    session: suggested("session"),
    dialect: select([["", "any"], ...DIALECTS.map((name) => [name, plain(name)])]),
    last: select(LAST),
    since: input("datetime-local", {}),
    until: input("datetime-local", {}),
  };
  const statuses = h("datalist", { id: fresh("status") }, STATUSES.map((value) => h("option", { value })));
  attribute(fields.status, "list", statuses.id);
  const trouble = h("p", { class: "trouble", role: "alert" });
  let typing = null;

  function suggested(name) {
    const field = input("text", { placeholder: "any" });
    attribute(field, "list", lists[name].id);
    return field;
  }

  function input(type, more) {
    return h("input", { class: "input", type, autocomplete: "off", spellcheck: "false", maxlength: 200, ...more });
  }

  function select(options) {
    return h("select", { class: "input" }, options.map(([value, words]) => h("option", { value, text: words })));
  }

  /** What the address has and the choice does not: shown as it is. */
  function offer(select, value, words = value) {
    if (value && ![...select.options].some((each) => each.value === value)) select.append(h("option", { value, text: words }));
    select.value = value;
  }

  /** A time; one that cannot be read is shown as it is, so that it is refused and not left out. */
  function offerTime(field, value) {
    const shown = local(value);
    field.type = value && !shown ? "text" : "datetime-local";
    field.value = shown || value;
  }

  const labels = { q: "Search", last: "Ended in", since: "From", until: "To" };
  const label = (name) =>
    h("label", { class: `field filter-${name}` }, h("span", { text: labels[name] ?? name[0].toUpperCase() + name.slice(1) }), fields[name]);
  const more = h(
    "details",
    { class: "filter-more" },
    h("summary", { text: "More filters" }),
    h("div", { class: "request-filters" }, ["session", "outcome", "dialect", "last", "since", "until"].map(label)),
  );
  const element = h(
    "form",
    { class: "sheet sheet-body filters-of-requests", role: "search", "aria-label": "Filters" },
    h("div", { class: "request-filters" }, ["q", "status", "provider", "model", "client"].map(label)),
    more,
    trouble,
    statuses,
    Object.values(lists),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    changed();
  });
  element.addEventListener("input", (event) => {
    if (event.target === fields.last && fields.last.value) offerTime(fields.since, "");
    if (event.target === fields.since && fields.since.value) fields.last.value = "";
    clearTimeout(typing);
    typing = setTimeout(changed, TYPING);
  });
  restore();

  function restore() {
    const told = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
    for (const name of ["q", "status", "provider", "model", "client", "session"]) fields[name].value = told[name];
    for (const name of ["outcome", "dialect"]) offer(fields[name], told[name]);
    const isSpan = secondsOf(told.since) !== null;
    offer(fields.last, isSpan ? told.since : "", `the last ${told.since}`);
    offerTime(fields.since, isSpan ? "" : told.since);
    offerTime(fields.until, told.until);
    more.open = ["session", "outcome", "dialect", "since", "until"].some((name) => given.get(name));
  }

  /** As the address has them: by name, without those that are empty. */
  function values() {
    const told = Object.fromEntries(NAMES.map((name) => [name, fields[name].value.trim()]));
    told.q = told.q.replace(/^["'`]+|["'`,]+$/g, ""); // an id as it was copied from an error
    told.since = fields.last.value || moment(fields.since.value);
    told.until = moment(fields.until.value);
    return Object.entries(told).filter(([, value]) => value);
  }

  return {
    element,
    /** Parameters of `/api/requests`. A time that is counted back from now is a full minute, so that answers stay the
     * same for a while. */
    query() {
      const told = values().map(([name, value]) => {
        const seconds = name === "since" ? secondsOf(value) : null;
        if (seconds === null) return [name, value];
        const from = Math.floor((Date.now() - seconds * 1000) / MINUTE) * MINUTE;
        return [name, new Date(from).toISOString()];
      });
      return new URLSearchParams(told);
    },
    address: () => String(new URLSearchParams(values())),
    isEmpty: () => values().length === 0,
    search: () => fields.q.value.trim(),
    clear() {
      for (const field of Object.values(fields)) field.value = "";
      for (const field of [fields.since, fields.until]) field.type = "datetime-local";
      changed();
    },
    /** Names that were seen are suggested. */
    suggest(requests) {
      for (const [name, known] of Object.entries(seen)) {
        for (const row of requests) if (row[name] && known.size < SUGGESTED) known.add(row[name]);
        rows(lists[name], [...known], (value) => value, (value) => [h("option", { value }), () => {}]);
      }
    },
    refused(error) {
      text(trouble, error?.message ?? "");
      for (const [name, field] of Object.entries(fields)) attribute(field, "aria-invalid", error?.message.startsWith(`${name} `) ? "true" : null);
    },
  };
}

/** Of a span such as `90m`; null for anything else. */
function secondsOf(value) {
  const found = SPAN.exec(value);
  return found && Number(found[1]) * UNITS[found[2]];
}

/** What a field for times holds, as RFC 3339; what is no time as it is. */
function moment(value) {
  const date = new Date(value);
  return value && !Number.isNaN(date.getTime()) ? date.toISOString().replace(".000Z", "Z") : value;
}

/** The same the other way round; Unix seconds too. */
function local(value) {
  const date = /^\d+(\.\d+)?$/.test(value) ? new Date(Number(value) * 1000) : new Date(value);
  if (!value || Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}
