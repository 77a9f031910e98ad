// Now: current figures, cooldowns and bans, and the last requests with their attempts.

import { h, rows, show, svg, text } from "./dom.js";
import { faultList } from "./faults.js";
import { NOTHING, count, plural, share, span, wait } from "./format.js";
import { cooldownColumn } from "./cooldowns.js";
import { requestList } from "./request_list.js";
import { watchRequests } from "./request_source.js";
import { blankLater } from "./stage.js";
import { plain } from "./words.js";

export const TITLE = "Now";

const EVERY = 1000;
const MOST_COUNTED = 1000; // exchanges that the router remembers
const SHOWN = 20; // requests; the page Requests has the others
const DEMO = (kept) =>
  "No configuration file was found, so three built-in demo providers answer. To get real answers, add a provider under Start: it is kept " +
  (kept ? `in ${kept}, and is there after a restart. ` : "until this process ends. ") +
  "The demo providers are removed when a provider of your own answers.";
export const EXAMPLE = (origin) => `curl -N ${origin}/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Which track?"}]}'`;

export function open(stage) {
  const figures = figureStrip();
  const list = requestList(true);
  const running = runningList();
  const cooldowns = cooldownColumn(stage);
  const nothing = blankLater(
    "No requests yet.",
    "Configure a client to use this router, or try it from a terminal:",
    EXAMPLE(location.origin),
  );
  const window = h("p", { class: "soft small" });
  const faults = faultList();
  const demo = h("p", { class: "sheet sheet-body demo", hidden: true });

  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), window),
    demo,
    faults.element,
    figures.element,
    h(
      "div",
      { class: "now-columns" },
      h(
        "section",
        { class: "sheet", "aria-labelledby": "last" },
        h("div", { class: "sheet-head" }, h("h2", { id: "last", text: "Last requests" }), h("a", { href: "#/requests", text: "All requests" })),
        running.element,
        list.element,
        nothing,
      ),
      cooldowns.element,
    ),
  );

  stage.watch("/api/overview", EVERY, (overview) => {
    figures.update(overview);
    running.update(overview.running_exchanges);
    cooldowns.update(overview);
    faults.update(overview.faults);
    text(demo, DEMO(overview.kept));
    show(demo, overview.demo);
    text(window, windowWords(overview));
  });
  watchRequests(stage, () => `limit=${SHOWN}`, EVERY, ({ requests }) => {
    list.update(requests);
    show(nothing, requests.length === 0);
  });
}

/** What the figures are of. */
function windowWords({ exchanges, window_seconds: seconds }) {
  if (exchanges >= MOST_COUNTED) return `the last ${count(MOST_COUNTED)} exchanges`;
  return `${plural(exchanges, "exchange")} in the last ${span(seconds)}`;
}

const FIGURES = [
  ["Requests per minute", (o) => count(o.requests_per_minute), () => "ended in the last 60 s"],
  [
    "Success after failover",
    (o) => share(o.success_rate),
    (o) => `${share(o.first_attempt_success_rate)} on the first attempt${recoveries(o.recoveries)}`,
  ],
  ["First content, p50", (o) => wait(o.first_content_ms.p50), (o) => `p95 ${wait(o.first_content_ms.p95)}`],
  ["Running", (o) => count(o.running), (o) => plural(o.sessions, "session")],
  [
    "Cooldowns",
    (o) => count(o.cooldowns.targets.length + o.cooldowns.keys.length),
    (o) => plural(o.bans.length, "ban"),
  ],
];

/** What became of streams that broke; nothing if none did. */
function recoveries({ continued = 0, ...others }) {
  const reasons = Object.entries(others);
  const broken = reasons.reduce((sum, [, times]) => sum + times, continued);
  if (broken === 0) return "";
  const why = reasons.map(([reason, times]) => `${plain(reason)} ${times}`).join(", ");
  return `; ${plural(broken, "stream")} broke, ${continued} went on${why && ` (${why})`}`;
}

function figureStrip() {
  const told = FIGURES.map(([name, value, more]) => {
    const figure = h("dd", { class: "figure", text: NOTHING });
    const beside = h("dd", { class: "soft small" });
    return {
      element: h("div", { class: "sheet" }, h("dt", { class: "label soft", text: name }), figure, beside),
      figure,
      beside,
      value,
      more,
    };
  });
  const spark = sparkline();
  told[0].element.append(spark.element);
  return {
    element: h(
      "dl",
      { class: "figures" },
      told.map((each) => each.element),
    ),
    update(overview) {
      for (const { figure, beside, value, more } of told) {
        text(figure, value(overview));
        text(beside, more(overview));
      }
      spark.update(overview.per_minute);
    },
  };
}

/** Exchanges in each of the last minutes, as a row of bars. The figure beside says the newest in words. */
function sparkline() {
  const element = svg("svg", { class: "spark", preserveAspectRatio: "none", "aria-hidden": "true" });
  const update = (counts) => {
    const most = Math.max(1, ...counts);
    element.setAttribute("viewBox", `0 0 ${Math.max(1, counts.length)} 1`);
    rows(
      element,
      counts.map((value, at) => ({ at, value })),
      (each) => each.at,
      ({ at }) => {
        const bar = svg("rect", { x: at + 0.1, width: 0.8 });
        return [
          bar,
          ({ value }) => {
            const height = Math.max(0.04, value / most);
            bar.setAttribute("y", 1 - height);
            bar.setAttribute("height", height);
          },
        ];
      },
    );
  };
  return { element: h("dd", { class: "spark-place" }, element), update };
}

function runningList() {
  const list = h("ol", { class: "running", "aria-label": "Running" });
  const make = () => {
    const asked = h("b");
    const rest = h("span", { class: "soft" });
    const element = h(
      "li",
      {},
      h("span", { class: "sign", "data-tone": "accent", "aria-hidden": "true", text: "▸" }),
      asked,
      rest,
    );
    return [
      element,
      (each) => {
        text(asked, each.model);
        text(rest, `running for ${span(Date.now() / 1000 - each.started)} · ${plural(each.attempts, "attempt")}`);
      },
    ];
  };
  return {
    element: list,
    update(exchanges) {
      rows(list, exchanges, (each) => each.request_id + each.started, make);
      show(list, exchanges.length > 0);
    },
  };
}
