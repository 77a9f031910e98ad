// One chart over time, drawn by uPlot. Series differ by colour and by dash; the legend shows the values as text.

import UPlot from "./vendor/uPlot.js";
import { h, text } from "./dom.js";

const HEIGHT = 220;
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4]];
const BORDERS = ["solid", "dashed", "dotted", "dashed"];
const LIGHT = ["#1d4f91", "#b4540a", "#17693f", "#8a2f7d", "#5a6572", "#a92218", "#0b7285", "#6b5900"];
const DARK = ["#8fb8f5", "#f0a35e", "#6fce9b", "#e39ad8", "#a3afbd", "#f59287", "#63c7d8", "#d6c25a"];

const scheme = matchMedia("(prefers-color-scheme: dark)");

/** `{ element, update(at, series, step), close() }`. `values(series)` has one value for each of `at`, null where there is
 * none; `told(value)` formats one; `range` is fixed if given. */
export function chart(title, values, told, range) {
  const place = h("div", { class: "chart-place" });
  const latest = h("p", { class: "unseen" });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, h("h2", { text: title })), place, latest);
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
    plot = series.length ? new UPlot(options(names, told, range, width(place)), data, place) : null;
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

function options(names, told, range, width) {
  const style = getComputedStyle(document.documentElement);
  const axis = {
    stroke: style.getPropertyValue("--soft"),
    grid: { stroke: style.getPropertyValue("--line"), width: 1 },
    ticks: { show: false },
  };
  const font = `12px ${style.getPropertyValue("--sans")}`;
  const colours = scheme.matches ? DARK : LIGHT;
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: {
      markers: { width: 3, dash: (_, index) => BORDERS[(index - 1) % BORDERS.length], fill: () => "transparent" },
    },
    cursor: { y: false, points: { size: 6 } },
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
      {
        label: "time",
        value: (_, unix) =>
          unix === null
            ? "–"
            : new Date(unix * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }),
      },
      ...names.map((label, index) => ({
        label,
        stroke: colours[index % colours.length],
        width: 2,
        dash: DASHES[index % DASHES.length],
        spanGaps: false,
        points: { show: true, size: 6, fill: colours[index % colours.length], filter: alone },
        value: (_, value) => (value === null ? "–" : told(value)),
      })),
    ],
  };
}
