// Availability: the success of each provider in the last 48 half hours, as a strip of bars.

import { h, rows, show, svg, text } from "./dom.js";
import { count, plural, share } from "./format.js";
import { ofThis } from "./instances.js";
import { listing } from "./listing.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
const GOOD = 0.99; // success from which on a half hour is good
const FAIR = 0.9;
const HEIGHTS = { good: 1, warn: 0.7, bad: 0.4, none: 0.1 }; // a share of the strip, beside the colour

export function availabilityStrips() {
  const list = h("ul", { class: "strips" });
  const nothing = h("p", { class: "blank", text: "No provider had a request in the last 24 hours. Send a request to see how well each one works.", hidden: true });
  const own = ofThis();
  let at = [];
  const listed = listing("providers", (each) => each.name, (page) => rows(list, page, (each) => each.name, strip));
  const legend = h(
    "ul",
    { class: "strip-legend soft small" },
    [
      ["good", `${share(GOOD)} or more succeeded`],
      ["warn", `${share(FAIR)} or more`],
      ["bad", "fewer"],
      ["none", "not asked"],
    ].map(([tone, words]) => h("li", {}, bars([tone], [words]), words)),
  );

  function strip() {
    const place = h("div", { class: "strip-place" });
    const name = h("b");
    const words = h("span", { class: "soft small" });
    return [
      h("li", {}, name, place, words),
      (each) => {
        const told = each.success_rate.map((rate, index) => `${CLOCK.format(at[index] * 1000)}: ${inWords(rate, each.attempts[index])}`);
        text(name, each.name);
        text(words, summary(each));
        place.replaceChildren(bars(each.success_rate.map(toneOf), told));
      },
    ];
  }

  return {
    element: h(
      "section",
      { class: "sheet", "aria-label": "Availability" },
      h("div", { class: "sheet-head" }, h("h2", { text: "Availability, last 24 hours by half hours" }), own.element, listed.search),
      list,
      nothing,
      legend,
      listed.pages,
    ),
    update(told) {
      at = told.at;
      own.update();
      show(nothing, told.providers.length === 0);
      for (const each of [list, legend, listed.search]) show(each, told.providers.length > 0);
      listed.update(told.providers);
    },
  };
}

function toneOf(rate) {
  if (rate === null) return "none";
  return rate >= GOOD ? "good" : rate >= FAIR ? "warn" : "bad";
}

const inWords = (rate, attempts) => (rate === null ? "not asked" : `${share(rate)} of ${count(attempts)}`);

function summary({ attempts, success_rate: rates }) {
  const known = rates.filter((rate) => rate !== null);
  if (!known.length) return "no result yet";
  const poor = known.filter((rate) => rate < FAIR).length;
  const all = attempts.reduce((sum, each) => sum + each, 0);
  return `${plural(all, "attempt")}, worst ${share(Math.min(...known))}${poor ? `, ${count(poor)} poor` : ""}`;
}

/** A bar for each tone; what each says is shown when it is pointed at. */
function bars(tones, told) {
  return svg(
    "svg",
    { class: "strip", viewBox: `0 0 ${tones.length} 1`, preserveAspectRatio: "none", "aria-hidden": "true" },
    tones.map((tone, index) => {
      const height = HEIGHTS[tone];
      return svg(
        "rect",
        { class: tone, x: index + 0.08, width: 0.84, y: 1 - height, height },
        svg("title", { text: told[index] }),
      );
    }),
  );
}
