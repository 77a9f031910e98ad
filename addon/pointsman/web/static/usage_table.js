// The table of usage by group: sorted by any column, 60 rows at once.

import { attribute, h, rows, show, text } from "./dom.js";
import { count, large, money, plural, share, wait } from "./format.js";
import { listing } from "./listing.js";
import { cell } from "./tables.js";
import { plain } from "./words.js";

/** `[title, what it is sorted by, its text, kind]`. */
const COLUMNS = [
  ["Requests", (row) => row.requests, (row) => count(row.requests)],
  ["Attempts", (row) => row.raw.attempts, (row) => count(row.raw.attempts), "lesser"],
  ["Success", (row) => row.success_rate, (row) => share(row.success_rate)],
  ["Cost", (row) => amount(row.cost_usd), (row) => money(row.cost_usd)],
  ["With the other model", (row) => amount(row.reference_cost_usd), (row) => money(row.reference_cost_usd), "compared"],
  ["Input", (row) => row.usage.input, (row) => large(row.usage.input), "least"],
  ["Cache read", (row) => row.usage.cache_read, (row) => large(row.usage.cache_read), "least"],
  ["Cache write", (row) => written(row.usage), (row) => large(written(row.usage)), "lesser"],
  ["Output", (row) => row.usage.output, (row) => large(row.usage.output)],
  ["Cache hits", (row) => row.cache_hit_share, (row) => share(row.cache_hit_share)],
  ["First content p50", (row) => row.first_content_ms.p50, (row) => wait(row.first_content_ms.p50)],
  ["First content p95", (row) => row.first_content_ms.p95, (row) => wait(row.first_content_ms.p95), "lesser"],
];
const KINDS = 3; // of failures that are shown, the most frequent
const COST = COLUMNS.findIndex(([title]) => title === "Cost");

/** The filter of requests that finds those of a group. */
const FILTERS = { client: "client", model: "model", target: "model", provider: "provider" };

const written = (usage) => usage.cache_write_5m + usage.cache_write_1h;
const amount = (dollars) => (dollars === null || dollars === undefined ? null : Number(dollars));

/** `by` has the groups as `[value, title]`. `{ element, update(told, reference) }`, with an answer of `/api/analytics`. */
export function usageTable(by) {
  const body = h("tbody");
  let sorted = COST; // a column, or -1: the name
  let isRising = false;
  let last = null;
  const name = heading("", -1, "");
  const heads = COLUMNS.map(([title, , , kind], column) => heading(title, column, kind));
  const table = h("table", { class: "table usage-table" }, h("thead", {}, h("tr", {}, name, heads, h("th", { scope: "col", class: "lesser", text: "Failures" }))), body);
  const listed = listing("groups", (row) => nameOf(row, last.by), (page) =>
    rows(body, page, (row) => `${last.by} ${nameOf(row, last.by)}`, () => groupRow(last.by, () => last.window)),
  );
  const nothing = h("p", { class: "blank", text: "Nothing in this window.", hidden: true });

  function heading(title, column, kind) {
    const button = h("button", { type: "button", class: "sorts", text: title, on: { click: () => sort(column) } });
    return h("th", { scope: "col", class: column < 0 ? null : `num ${kind ?? ""}`.trim() }, button);
  }

  function sort(column) {
    isRising = sorted === column ? !isRising : column < 0;
    sorted = column;
    draw();
  }

  function draw() {
    const value = sorted < 0 ? (row) => nameOf(row, last.by) : COLUMNS[sorted][1];
    const turned = isRising ? 1 : -1;
    const inOrder = [...last.rows].sort((a, b) => turned * compare(value(a), value(b)) || b.raw.attempts - a.raw.attempts);
    for (const [at, head] of [name, ...heads].entries())
      attribute(head, "aria-sort", at - 1 === sorted ? (isRising ? "ascending" : "descending") : null);
    listed.update(inOrder);
  }

  return {
    element: h("div", {}, h("div", { class: "usage-search" }, listed.search), table, nothing, listed.pages),
    update(told, reference) {
      if (last?.by !== told.by) {
        sorted = told.by === "day" ? -1 : COST;
        isRising = false;
      }
      last = told;
      text(name.firstElementChild, by.find(([value]) => value === told.by)[1]);
      attribute(table, "data-compared", reference !== "");
      show(table, told.rows.length > 0);
      show(nothing, told.rows.length === 0);
      draw();
    },
  };
}

/** Unknown ones come first, so that they are last where the largest comes first. */
function compare(a, b) {
  if (typeof a === "string") return a.localeCompare(b);
  return (a ?? -1) - (b ?? -1);
}

function nameOf(row, by) {
  if (by === "key") return `${row.provider}: ${row.key ?? "no key"}`;
  if (!row[by]) return "no name";
  return by === "outcome" ? plain(row[by]) : row[by];
}

function groupRow(by, window) {
  const filter = FILTERS[by];
  const name = filter ? h("a") : h("span");
  const cells = COLUMNS.map(([title, , value, kind]) => [cell(title, null, `num ${kind ?? ""}`.trim()), value]);
  const failures = cell("Failures", null, "lesser");
  return [
    h("tr", {}, cell("", name, "lead"), cells.map(([each]) => each), failures),
    (row) => {
      text(name, nameOf(row, by));
      const isNamed = Boolean(filter && row[by]);
      attribute(name, "href", isNamed && `#/requests?${new URLSearchParams({ [filter]: row[by], since: window() })}`);
      for (const [each, value] of cells) text(each, value(row));
      const kinds = Object.entries(row.failures_by_kind).map(([kind, times]) => `${plain(kind)} ${count(times)}`);
      text(failures, kinds.slice(0, KINDS).join(", ") + (kinds.length > KINDS ? " …" : ""));
      attribute(failures, "title", kinds.length > KINDS ? kinds.join(", ") : null);
      attribute(cells[COST][0], "title", row.unpriced ? `without ${plural(row.unpriced, "attempt")} whose price is not known` : null);
    },
  ];
}
