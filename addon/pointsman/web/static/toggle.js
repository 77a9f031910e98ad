// A switch. It shows the router's last known state and is inactive until the router has answered.

import { attribute, h } from "./dom.js";

/** `{ element, update(on, name) }`; `flip(on)` sends the change and resolves with the answer. */
export function toggle(flip) {
  const element = h("button", { class: "switch", type: "button", role: "switch", "aria-checked": "false" });
  element.addEventListener("click", async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    const wanted = element.getAttribute("aria-checked") !== "true";
    attribute(element, "aria-disabled", "true"); // not `disabled`, which would take the focus away
    const answer = await flip(wanted);
    if (answer) attribute(element, "aria-checked", String(wanted));
    attribute(element, "aria-disabled", null);
  });
  return {
    element,
    update(on, name) {
      attribute(element, "aria-label", name);
      if (element.getAttribute("aria-disabled") !== "true") attribute(element, "aria-checked", String(on));
    },
  };
}
