// What is shown for an address that names no page: that there is none, and those that there are.

import { h } from "./dom.js";

export const TITLE = "Unknown page";

/** `address` is what follows the `#`. */
export function open(stage, address) {
  const pages = [...document.querySelectorAll(".ways a:not([hidden])")];
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE })),
    h(
      "div",
      { class: "sheet sheet-body" },
      h("p", { text: `There is no page “${address.slice(0, 60)}”. These are the pages:` }),
      h("ul", {}, pages.map((page) => h("li", {}, h("a", { href: page.hash, text: page.textContent })))),
    ),
  );
}
