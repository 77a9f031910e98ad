// Analytics: what was asked, what it cost and how well it went, in a window of time, by group, and by half hours.

import { availabilityStrips } from "./availability.js";
import { chartGroup } from "./chart.js";
import { attribute, fresh, h, show, text } from "./dom.js";
import { NOTHING, count, large, money, plural, share, wait } from "./format.js";
import { ofAll, ofThis, whose } from "./instances.js";
import { EXAMPLE } from "./now.js";
import { watchWith } from "./parameters.js";
import { blank } from "./stage.js";
import { usageTable } from "./usage_table.js";

export const TITLE = "Analytics";

const EVERY = 20_000;
const WINDOWS = [
  ["1h", "Hour"],
  ["24h", "Day"],
  ["7d", "Week"],
  ["30d", "Month"],
];
const IN_WORDS = { "1h": "last hour", "24h": "last day", "7d": "last week", "30d": "last month" };
const BY = [
  ["client", "Client"],
  ["model", "Model"],
  ["target", "Target"],
  ["provider", "Provider"],
  ["key", "Key"],
  ["mode", "Mode"],
  ["outcome", "Outcome"],
  ["day", "Day"],
];
const TYPING = 400; // milliseconds of silence after which what was typed counts
const MOST_SERIES = 8;

/** `rest` is what follows the page's name in the address. */
export function open(stage, rest) {
  const asked = new URLSearchParams(rest.replace(/^[/?]+/, ""));
  const wanted = {
    window: known(WINDOWS, asked.get("window"), "24h"),
    by: known(BY, asked.get("by"), "client"),
    reference: asked.get("reference") ?? "",
    client: asked.get("client") ?? "",
  };
  const figures = figureStrip();
  const reference = referenceField(wanted.reference, (name) => change({ reference: name }));
  const table = usageTable(BY);
  const overTime = overTimeSection();
  const ofEveryClient = h("div", {}, overTime.element);
  const strips = availabilityStrips();
  const problem = h("p", { class: "sheet sheet-body warn", role: "alert", hidden: true });
  const nothing = h("div", { class: "sheet", hidden: true });
  const everyClient = h("button", { type: "button", on: { click: () => change({ client: "" }) } });
  const csv = h("a", { class: "button", text: "CSV" });
  const instances = whose();
  const data = h(
    "div",
    { class: "stack" },
    figures.element,
    reference.element,
    h(
      "section",
      { class: "sheet", "aria-label": "By group" },
      h("div", { class: "sheet-head" }, h("h2", { text: "Usage by" }), choice("Group by", BY, wanted.by, (by) => change({ by })), csv),
      table.element,
    ),
    ofEveryClient,
  );
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), choice("Window", WINDOWS, wanted.window, (window) => change({ window })), everyClient, instances.element),
    h("div", { class: "stack" }, problem, nothing, data, strips.element),
  );

  const query = (more) => {
    const told = { window: wanted.window, by: wanted.by, ...more };
    for (const name of ["client", "reference"]) if (wanted[name]) told[name] = wanted[name];
    return String(new URLSearchParams(told));
  };

  function change(more) {
    Object.assign(wanted, more);
    history.replaceState(null, "", `#/analytics?${query()}`);
    showClient();
    stage.soon();
  }

  function showClient() {
    text(everyClient, `Only ${wanted.client} ×`);
    attribute(everyClient, "aria-label", `Only ${wanted.client}: show every client`);
    show(everyClient, wanted.client !== "");
    show(ofEveryClient, wanted.client === "");
  }

  function showTotals({ total, problem: trouble, dropped, instances: answering }) {
    instances.update(answering);
    const isEmpty = total === null;
    show(problem, trouble !== null || dropped > 0);
    text(problem, problemWords(trouble, dropped, isEmpty));
    show(data, !isEmpty);
    show(nothing, isEmpty && trouble === null);
    if (isEmpty) nothing.replaceChildren(emptyState(wanted.window));
    else figures.update(total, wanted.reference);
  }

  showClient();
  watchWith(
    stage,
    () => `/api/analytics?${query(ofAll())}`,
    EVERY,
    (told) => {
      showTotals(told);
      table.update(told, wanted.reference);
      attribute(csv, "href", `/api/analytics.csv?${query(ofAll())}`);
      attribute(csv, "download", `usage-by-${told.by}.csv`);
    },
    reference.refused,
  );
  stage.watch(() => `/api/analytics/traffic?window=${wanted.window}`, EVERY, overTime.update);
  stage.watch("/api/analytics/availability", EVERY, strips.update);
  stage.leaving(overTime.close);
}

const known = (options, value, otherwise) => (options.some(([each]) => each === value) ? value : otherwise);

function problemWords(trouble, dropped, isEmpty) {
  if (trouble && !isEmpty) return `The newest requests are missing: the history cannot be written (${trouble}). See the log.`;
  if (trouble) return `There are no statistics: ${trouble}. Set history.path, and see the log if it is set.`;
  return `${plural(dropped, "row")} could not be recorded since the start. See the log.`;
}

function emptyState(window) {
  const isLongest = window === WINDOWS.at(-1)[0];
  return isLongest
    ? blank("No requests in the last month.", "Configure a client to use this router, or try it from a terminal:", EXAMPLE(location.origin))
    : blank(`No requests in the ${IN_WORDS[window]}.`, "Choose a longer window above. Statistics appear with the first request.");
}

const FIGURES = [
  ["Requests", (row) => count(row.requests), (row) => (row.refused ? `${count(row.refused)} refused by the router` : "none refused by the router")],
  [
    "Cost",
    (row) => money(row.cost_usd),
    (row) => (row.unpriced ? `without ${plural(row.unpriced, "attempt")} whose price is not known` : "all prices are known"),
  ],
  ["Tokens", (row) => large(tokensOf(row.usage)), (row) => kinds(row.usage)],
  ["Cache hits", (row) => share(row.cache_hit_share), () => "of the prompts' tokens"],
  ["First content, p50", (row) => wait(row.first_content_ms.p50), (row) => `p95 ${wait(row.first_content_ms.p95)}`],
  ["Success", (row) => share(row.success_rate), (row) => `of ${plural(row.raw.attempts, "attempt")}`],
];

const written = (usage) => usage.cache_write_5m + usage.cache_write_1h;
const tokensOf = (usage) => usage.input + usage.cache_read + written(usage) + usage.output;

function kinds(usage) {
  const parts = [
    ["input", usage.input],
    ["cache read", usage.cache_read],
    ["cache write", written(usage)],
    ["output", usage.output],
    ["of it reasoning", usage.reasoning],
  ];
  return parts.map(([name, value]) => `${name} ${large(value)}`).join(" · ");
}

function figureStrip() {
  const told = FIGURES.map(([name, value, more]) => {
    const figure = h("dd", { class: "figure", text: NOTHING });
    const beside = h("dd", { class: "soft small" });
    return { element: h("div", { class: "sheet" }, h("dt", { class: "label soft", text: name }), figure, beside), figure, beside, value, more };
  });
  const saving = h("p", { class: "sheet sheet-body", role: "status", hidden: true });
  return {
    element: h("div", {}, h("dl", { class: "figures usage-figures" }, told.map((each) => each.element)), saving),
    update(row, reference) {
      for (const { figure, beside, value, more } of told) {
        text(figure, value(row));
        text(beside, more(row));
      }
      show(saving, reference !== "" && row.reference_cost_usd !== undefined);
      text(saving, savingWords(row, reference));
    },
  };
}

function savingWords({ cost_usd: cost, reference_cost_usd: other, unpriced }, reference) {
  if (other === null || other === undefined) return `${reference} has no price for some of what was used.`;
  const same = `The same tokens would have cost ${money(other)} with ${reference}`;
  if (unpriced) return `${same}. What was saved is not known: ${plural(unpriced, "attempt")} went to models without a price. Add prices in the configuration.`;
  const saved = Number(other) - Number(cost);
  const part = Number(other) > 0 ? ` (${share(Math.abs(saved) / Number(other))})` : "";
  const words = saved >= 0 ? `${money(String(saved))}${part} saved` : `${money(String(-saved))}${part} more than that was spent`;
  return `${same}: ${words}.`;
}

/** The model to compare with. */
function referenceField(first, changed) {
  const trouble = h("p", { class: "trouble", role: "alert", id: fresh("trouble") });
  const field = h("input", {
    class: "input",
    type: "text",
    placeholder: "none, or such as openai/gpt-4o",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
    "aria-describedby": trouble.id,
  });
  field.value = first;
  let typing = null;
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => changed(field.value.trim()), TYPING);
  });
  return {
    element: h("div", { class: "reference" }, h("label", { class: "field" }, h("span", { text: "Compare the cost with model" }), field), trouble),
    refused(error) {
      text(trouble, error?.message ?? "");
      attribute(field, "aria-invalid", error ? "true" : null);
    },
  };
}

function overTimeSection() {
  const group = chartGroup([
    ["Attempts", (series) => series.attempts, count],
    ["Success", (series) => series.success_rate, share, [0, 1]],
    ["First content", (series) => series.first_content_ms, wait],
  ]);
  const hidden = h("p", { class: "soft small chart-note", hidden: true });
  const own = ofThis();
  const element = h(
    "section",
    { class: "sheet", "aria-label": "Over time" },
    h("div", { class: "sheet-head" }, h("h2", { text: "By target over time" }), own.element),
    h("div", { class: "charts" }, group.charts),
    group.legend,
    hidden,
  );
  return {
    element,
    update(traffic) {
      const busiest = [...traffic.series].sort((a, b) => total(b) - total(a)).slice(0, MOST_SERIES);
      show(element, busiest.length > 0);
      own.update();
      group.update(traffic.at, busiest);
      const left = traffic.series.length - busiest.length;
      show(hidden, left > 0);
      text(hidden, `The ${MOST_SERIES} busiest are shown; the others are in the table, by target.`);
    },
    close: group.close,
  };
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
