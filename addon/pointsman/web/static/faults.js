// Providers whose entries in the configuration are invalid: each fault with its place and what follows from it.

import { h, rows, show } from "./dom.js";

export function faultList() {
  const element = h("ul", {
    class: "sheet sheet-body warn small",
    "aria-label": "Invalid provider configuration",
    hidden: true,
  });
  return {
    element,
    update(faults) {
      rows(element, faults.map(sentence), (words) => words, (words) => [h("li", { text: words }), () => {}]);
      show(element, faults.length > 0);
    },
  };
}

function sentence({ provider, path, problem, in_force }) {
  const effect = in_force ? "its previous entry stays in force" : "it is left out";
  return `${provider}: ${effect}. ${path}: ${problem}`;
}
