// Disclosure: a real button that states whether its panel is open.

import { attribute, show, svg } from "./dom.js";

export function arrow() {
  const path = svg("path", { d: "M3 1 L7 5 L3 9" });
  return svg("svg", { class: "turn turns", viewBox: "0 0 10 10", "aria-hidden": "true" }, path);
}

/** Makes a button with an arrow open and close a panel with an id. `opened()` is called each time it opens. */
export function opens(button, panel, opened = () => {}) {
  attribute(button, "aria-controls", panel.id);
  attribute(button, "aria-expanded", String(!panel.hidden));
  button.addEventListener("click", () => {
    show(panel, panel.hidden);
    attribute(button, "aria-expanded", String(!panel.hidden));
    if (!panel.hidden) opened();
  });
}
