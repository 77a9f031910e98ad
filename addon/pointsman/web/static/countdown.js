// Countdowns. One timer for the whole page; it pauses while the page is hidden.

import { attribute, h, text } from "./dom.js";
import { span } from "./format.js";

const EVERY = 1000;

/** An element that shows the time left until `unix` (seconds) and keeps it current. */
export function countdown(unix) {
  const element = h("time", { class: "countdown" });
  until(element, unix);
  return element;
}

/** Sets a countdown's end. */
export function until(element, unix) {
  attribute(element, "data-until", unix);
  attribute(element, "datetime", new Date(unix * 1000).toISOString());
  tell(element);
}

function tell(element) {
  const left = Number(element.dataset.until) - Date.now() / 1000;
  text(element, left > 0 ? span(left) : "now");
}

setInterval(() => {
  if (!document.hidden) document.querySelectorAll(".countdown").forEach(tell);
}, EVERY);
