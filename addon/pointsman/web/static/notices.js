// Short messages in the corner: results and errors. Screen readers announce them.

import { h } from "./dom.js";

const MOST = 4;
const STAY = 6000; // milliseconds; an error stays until it is closed

const corner = () => document.getElementById("notices");

export function tell(words) {
  const notice = add(words, "good");
  setTimeout(() => notice.remove(), STAY);
}

export function complain(words) {
  add(words, "bad");
}

function add(words, tone) {
  const notice = h("div", { class: "notice", "data-tone": tone }, h("p", { text: words }));
  notice.append(
    h("button", { class: "button bare", type: "button", text: "Close", on: { click: () => notice.remove() } }),
  );
  corner().append(notice);
  while (corner().children.length > MOST) corner().firstElementChild.remove();
  return notice;
}
