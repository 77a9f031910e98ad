// Analytics: the history over time and by group.

import { chart } from "./chart.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { count, large, plural, share, wait } from "./format.js";
import { blank } from "./stage.js";
import { plain } from "./words.js";

export const TITLE = "Analytics";

const EVERY = 20_000;
const WINDOWS = [
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];
const BY = [
  ["target", "Target"],
  ["provider", "Provider"],
  ["key", "Key"],
  ["mode", "Mode"],
  ["outcome", "Outcome"],
];
const MOST_SERIES = 8;

const COLUMNS = [
  ["Attempts", (row) => count(row.raw.attempts)],
  ["Success", (row) => share(row.success_rate)],
  ["Recent success", (row) => share(row.weighted_success_rate)],
  ["First content p50", (row) => wait(row.first_content_ms.p50)],
  ["First content p95", (row) => wait(row.first_content_ms.p95)],
  ["Tokens in", (row) => large(row.tokens.in)],
  ["Tokens out", (row) => large(row.tokens.out)],
  ["Hedged", (row) => count(row.hedged)],
];

export function open(stage) {
  let window = "24h";
  let by = "target";
  const charts = [
    chart("Attempts by target", (series) => series.attempts, count),
    chart("Success rate", (series) => series.success_rate, share, [0, 1]),
    chart("Time to first content", (series) => series.first_content_ms, wait),
  ];
  const nothing = blank(
    "No data yet.",
    "Charts appear after the first requests.",
  );
  const problem = h("p", { class: "blank", role: "alert", hidden: true });
  const hidden = h("p", { class: "soft small", hidden: true });
  const drawn = h(
    "div",
    { class: "charts" },
    charts.map((each) => each.element),
  );
  const groups = groupTable();
  const windows = choice("Window", WINDOWS, window, (wanted) => {
    window = wanted;
    stage.soon();
  });
  const groupings = choice("Group by", BY, by, (wanted) => {
    by = wanted;
    stage.soon();
  });
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), windows),
    h(
      "div",
      { class: "stack" },
      h("section", { class: "sheet", "aria-label": "Over time" }, problem, nothing, drawn, hidden),
      h(
        "section",
        { class: "sheet", "aria-label": "By group" },
        h("div", { class: "sheet-head" }, h("h2", { text: "By group" }), groupings),
        groups.element,
      ),
    ),
  );
  stage.watch(
    () => `/api/analytics/traffic?window=${window}`,
    EVERY,
    (traffic) => {
      const busiest = [...traffic.series].sort((a, b) => total(b) - total(a)).slice(0, MOST_SERIES);
      for (const each of charts) each.update(traffic.at, busiest, traffic.step_seconds);
      const isEmpty = traffic.problem === null && busiest.length === 0;
      show(nothing, isEmpty);
      show(drawn, busiest.length > 0);
      show(problem, traffic.problem !== null);
      text(problem, traffic.problem ?? "");
      const left = traffic.series.length - busiest.length;
      show(hidden, left > 0);
      const others = left === 1 ? "1 other is" : `${left} others are`;
      text(hidden, `The ${MOST_SERIES} busiest are shown; ${others} in the table.`);
    },
  );
  stage.watch(
    () => `/api/analytics?window=${window}&by=${by}`,
    EVERY,
    (told) => groups.update(told),
  );
  stage.leaving(() => charts.forEach((each) => each.close()));
}

const total = (series) => series.attempts.reduce((sum, each) => sum + each, 0);

/** A row of buttons of which one is pressed. */
export function choice(name, options, first, chosen) {
  const buttons = options.map(([value, title]) =>
    h("button", {
      type: "button",
      "aria-pressed": String(value === first),
      text: title,
      on: { click: press },
      "data-value": value,
    }),
  );
  function press(event) {
    for (const button of buttons) attribute(button, "aria-pressed", String(button === event.currentTarget));
    chosen(event.currentTarget.dataset.value);
  }
  return h("div", { class: "choice", role: "group", "aria-label": name }, buttons);
}

function groupTable() {
  const body = h("tbody");
  const first = h("th", { scope: "col" });
  const head = h(
    "tr",
    {},
    first,
    COLUMNS.map(([name]) => h("th", { scope: "col", class: "num", text: name })),
    h("th", { scope: "col", text: "Failures" }),
  );
  const table = h("table", { class: "table" }, h("thead", {}, head), body);
  const nothing = h("p", { class: "blank", text: "No attempts in this window." });
  const dropped = h("p", { class: "blank warn", hidden: true });
  return {
    element: h("div", {}, table, nothing, dropped),
    update(told) {
      text(first, BY.find(([value]) => value === told.by)?.[1] ?? told.by);
      rows(
        body,
        told.rows,
        (row) => `${told.by} ${row[told.by]}`,
        () => groupRow(told.by),
      );
      show(table, told.rows.length > 0);
      show(nothing, told.rows.length === 0);
      show(dropped, told.dropped > 0);
      text(dropped, `${plural(told.dropped, "attempt")} could not be recorded since the start. See the log.`);
    },
  };
}

function groupRow(by) {
  const name = h("td", { class: "lead" });
  const cells = COLUMNS.map(([title, value]) => [h("td", { class: "num", "data-name": title }), value]);
  const failures = h("td", { "data-name": "Failures" });
  return [
    h(
      "tr",
      {},
      name,
      cells.map(([cell]) => cell),
      failures,
    ),
    (row) => {
      text(name, by === "outcome" ? plain(row[by]) : row[by]);
      for (const [cell, value] of cells) text(cell, value(row));
      text(
        failures,
        Object.entries(row.failures_by_kind)
          .map(([kind, times]) => `${plain(kind)} ${count(times)}`)
          .join(", "),
      );
    },
  ];
}
