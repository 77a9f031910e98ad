// Tables whose rows become cards where there is no room for columns, and lists of facts.

import { h, text } from "./dom.js";

/** The heading of columns; one without a name holds the actions. */
export function headings(columns) {
  const heading = (name) => (name ? h("th", { scope: "col", text: name }) : h("td", {}, unseen("Actions")));
  return h("thead", {}, h("tr", {}, columns.map(heading)));
}

/** A cell that shows its column's name in the card layout. `lead` is a card's title, `act` its actions. */
export const cell = (name, content, kind) => h("td", { class: kind, "data-name": name }, content);

/** A button; `more` is added to its name for screen readers. */
export function button(name, click, more) {
  return h("button", { class: "button", type: "button", on: { click } }, name, more ? unseen(` ${more}`) : null);
}

export const unseen = (words) => h("span", { class: "unseen", text: words });

/** For `rows` of a `dl` with the class `facts`: shows `[name, value]`. */
export function fact() {
  const name = h("dt");
  const value = h("dd");
  return [
    h("div", {}, name, value),
    ([said, what]) => {
      text(name, said);
      text(value, what);
    },
  ];
}
