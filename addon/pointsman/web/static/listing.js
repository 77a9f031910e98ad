// Long lists: a search field and pages, so that no more than 60 rows are on the page at once.

import { attribute, h, show, text } from "./dom.js";
import { count } from "./format.js";

export const MOST_ROWS = 60;

/** `{ search, pages, update(items), first() }`. `words(item)` is the text that is searched, `shown(items, all)` gets the
 * items of the page and all that match. All words that are typed have to match. */
export function listing(name, words, shown) {
  let items = [];
  let at = 0;
  const field = h("input", {
    class: "input search",
    type: "search",
    placeholder: `Search ${name}`,
    "aria-label": `Search ${name}`,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  const number = h("span", { class: "soft small", role: "status" });
  const turn = (title, by) =>
    h("button", { class: "button", type: "button", text: title, on: { click: () => go(at + by * MOST_ROWS) } });
  const back = turn("Previous", -1);
  const on = turn("Next", 1);
  const pages = h("div", { class: "pages", hidden: true }, back, number, on);
  const draw = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = wanted.length
      ? items.filter((item) => wanted.every((word) => words(item).toLowerCase().includes(word)))
      : items;
    at = Math.max(0, Math.min(at, Math.floor((found.length - 1) / MOST_ROWS) * MOST_ROWS));
    const page = found.slice(at, at + MOST_ROWS);
    const isPaged = found.length > MOST_ROWS;
    const isUnmatched = items.length > 0 && found.length === 0;
    show(pages, isPaged || isUnmatched);
    for (const each of [back, on]) show(each, isPaged);
    if (isUnmatched) text(number, `None of ${count(items.length)} ${name} matches.`);
    else text(number, `${count(at + 1)} to ${count(at + page.length)} of ${count(found.length)}`);
    attribute(back, "aria-disabled", at === 0 ? "true" : null);
    attribute(on, "aria-disabled", at + MOST_ROWS >= found.length ? "true" : null);
    shown(page, found);
  };
  const go = (to) => {
    at = Math.max(0, to);
    draw();
  };
  field.addEventListener("input", () => go(0));
  return {
    search: field,
    pages,
    update(told) {
      items = told;
      draw();
    },
    first: () => go(0),
  };
}
