// Charts over time, drawn by uPlot, with one legend. Series differ by colour and by dash; the legend shows the values at
// the cursor, which is the same on all charts, as text.

import UPlot from "./vendor/uPlot.js";
import { h, place as setStyle, rows, text } from "./dom.js";
import { NOTHING, moment } from "./format.js";

const HEIGHT = 220;
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4]];
const BORDERS = ["solid", "dashed", "dotted", "dashed"];
const LIGHT = ["#1d4f91", "#b4540a", "#17693f", "#8a2f7d", "#5a6572", "#a92218", "#0b7285", "#6b5900"];
const DARK = ["#8fb8f5", "#f0a35e", "#6fce9b", "#e39ad8", "#a3afbd", "#f59287", "#63c7d8", "#d6c25a"];

const scheme = matchMedia("(prefers-color-scheme: dark)");

/** The charts of the same series, and their legend: `{ charts, legend, update(at, series), close() }`. Each of `kinds` is
 * `[title, values, told, range]`. */
export function chartGroup(kinds) {
  const body = h("tbody");
  const when = h("th", { scope: "col" });
  const legend = h(
    "table",
    { class: "chart-legend small" },
    h("caption", { class: "unseen", text: "Legend" }),
    h("thead", {}, h("tr", {}, when, kinds.map(([title]) => h("th", { scope: "col", class: "num", text: title })))),
    body,
  );
  const charts = kinds.map(([title, values, told, range]) => chart(title, values, told, range, show));
  let last = [[], []];
  const redraw = () => show(null);
  scheme.addEventListener("change", redraw);

  function show(place) {
    const [at, series] = last;
    text(when, place === null ? "Last known values" : moment(at[place]));
    const items = series.map((each, index) => ({ each, index, place }));
    rows(body, items, ({ each }) => each.name, () => legendRow(kinds));
  }

  return {
    charts: charts.map((each) => each.element),
    legend,
    update(at, series) {
      last = [at, series];
      for (const each of charts) each.update(at, series);
      show(null);
    },
    close() {
      scheme.removeEventListener("change", redraw);
      for (const each of charts) each.close();
    },
  };
}

function legendRow(kinds) {
  const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
  const name = h("span");
  const cells = kinds.map(([title]) => h("td", { class: "num", "data-name": title }));
  return [
    h("tr", {}, h("th", { scope: "row" }, swatch, name), cells),
    ({ each, index, place }) => {
      setStyle(swatch, { "border-top-style": BORDERS[index % BORDERS.length], "border-top-color": colour(index) });
      text(name, each.name);
      for (const [at, [, values, told]] of kinds.entries()) {
        const known = place === null ? values(each).filter((value) => value !== null).at(-1) : values(each)[place];
        text(cells[at], known === null || known === undefined ? NOTHING : told(known));
      }
    },
  ];
}

const colour = (index) => (scheme.matches ? DARK : LIGHT)[index % LIGHT.length];

/** `{ element, update(at, series), close() }`. `values(series)` has one value for each of `at`, null where there is
 * none; `told(value)` formats one; `range` is fixed if given; `onCursor(place)` gets the place of the cursor in `at`, null
 * where it is elsewhere. */
function chart(title, values, told, range, onCursor) {
  const place = h("div", { class: "chart-place" });
  const latest = h("p", { class: "unseen" });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, h("h3", { text: title })), place, latest);
  let plot = null;
  let drawn = "";
  let last = null;

  function update(at, series) {
    last = [at, series];
    const data = [at, ...series.map(values)];
    const names = series.map(({ name }) => name);
    text(latest, inWords(names, data, told));
    const wanted = JSON.stringify([names, scheme.matches]);
    if (plot && drawn === wanted) {
      plot.setData(data);
      return;
    }
    plot?.destroy();
    drawn = wanted;
    plot = series.length ? new UPlot(options(names, told, range, width(place), onCursor), data, place) : null;
  }

  const again = () => last && update(...last);
  const fit = new ResizeObserver(() => plot?.setSize({ width: width(place), height: HEIGHT }));
  fit.observe(place);
  scheme.addEventListener("change", again);
  return {
    element,
    update,
    close() {
      fit.disconnect();
      scheme.removeEventListener("change", again);
      plot?.destroy();
    },
  };
}

const width = (place) => Math.max(200, Math.floor(place.clientWidth));

/** A time on the axis; midnight is shown as a date. */
function mark(unix, step) {
  const date = new Date(unix * 1000);
  const isDay = step >= 86_400 || (date.getHours() === 0 && date.getMinutes() === 0);
  return isDay
    ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })
    : date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** The values that have no neighbour: a line cannot show them, so they become points. */
function alone(plot, index) {
  const values = plot.data[index];
  const has = (at) => values[at] !== null && values[at] !== undefined;
  return values.map((_, at) => at).filter((at) => has(at) && !has(at - 1) && !has(at + 1));
}

function inWords(names, data, told) {
  return names
    .map((name, index) => {
      const known = data[index + 1].filter((value) => value !== null);
      return `${name}: ${known.length ? `last ${told(known.at(-1))}, maximum ${told(Math.max(...known))}` : "no data"}`;
    })
    .join("; ");
}

function options(names, told, range, width, onCursor) {
  const style = getComputedStyle(document.documentElement);
  const axis = {
    stroke: style.getPropertyValue("--soft"),
    grid: { stroke: style.getPropertyValue("--line"), width: 1 },
    ticks: { show: false },
  };
  const font = `12px ${style.getPropertyValue("--sans")}`;
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, sync: { key: "time" } },
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx ?? null)] },
    scales: { y: { range: range ?? ((_, __, most) => [0, Math.max(1, most * 1.1)]) } },
    axes: [
      {
        ...axis,
        font,
        size: 30,
        space: 56,
        values: (_, marks, __, ___, step) => marks.map((unix) => mark(unix, step)),
      },
      { ...axis, font, size: 64, values: (_, marks) => marks.map((value) => told(value)) },
    ],
    series: [
      {},
      ...names.map((label, index) => ({
        label,
        stroke: colour(index),
        width: 2,
        dash: DASHES[index % DASHES.length],
        spanGaps: false,
        points: { show: true, size: 6, fill: colour(index), filter: alone },
      })),
    ],
  };
}
