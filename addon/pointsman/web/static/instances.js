// Whose figures pages show: those of this instance alone, or of all that share their state.

import { h, show, text } from "./dom.js";
import { plural } from "./format.js";

let isShared = false;

/** After each answer of `/api/health`. */
export function onHealth({ shared }) {
  isShared = shared.state !== "off";
}

/** The parameters that ask for the figures of all instances. */
export const ofAll = () => (isShared ? { instances: "all" } : {});

/** The same as text to append to a path, with its question mark. */
export const queryOfAll = () => (isShared ? "?instances=all" : "");

/** A line that says whose figures are shown. `{ element, update(instances) }`; without `instances` it says nothing. */
export function whose() {
  const element = h("p", { class: "soft small", role: "status", hidden: true });
  return {
    element,
    update(instances) {
      show(element, instances !== undefined);
      if (!instances) return;
      const { answered, missing } = instances;
      const all = `Of ${plural(answered.length, "instance")}.`;
      text(element, missing.length ? `${all} No answer from ${missing.join(", ")}.` : all);
    },
  };
}

/** A line for what is of this instance alone. `{ element, update() }` */
export function ofThis() {
  const element = h("p", { class: "soft small", text: "Of this instance.", hidden: true });
  return { element, update: () => show(element, isShared) };
}
