// Text to copy, with its button.

import { h } from "./dom.js";
import { tell } from "./notices.js";
import { button } from "./tables.js";

/** `name` stands for the text where that is not to be repeated. Pages without encryption have no clipboard: there the
 * text is selected instead. */
export function copied(words, name = words) {
  const shown = h("code", { text: words });
  const copy = button(
    "Copy",
    async () => {
      if (navigator.clipboard) {
        await navigator.clipboard.writeText(words);
        tell(`Copied: ${name}`);
      } else {
        getSelection().selectAllChildren(shown);
        tell("Selected. Copy it with the keyboard.");
      }
    },
    name,
  );
  return h("span", { class: "copied" }, shown, copy);
}
