// What a room stands on: a place on the page, questions that end when the room is left, and changes with their words.

import { Ended, send } from "./api.js";
import { h, show, text } from "./dom.js";
import { complain, tell } from "./notices.js";
import { watch } from "./watch.js";

export class Stage {
  /** `pulse(error)` is told how the last question went. */
  constructor(element, pulse) {
    this.element = element;
    this.watching = [];
    this.last = [];
    this.pulse = pulse;
    this.trouble = h(
      "div",
      { class: "sheet blank", role: "alert", hidden: true },
      h("b", { text: "This cannot be loaded now." }),
      h("span"),
    );
    element.append(this.trouble);
  }

  /** Like `watch`; ends with the room. */
  watch(path, every, shown) {
    const asked = watch(typeof path === "function" ? path : () => path, every, shown, (error) => this.heard(error));
    this.watching.push(asked);
    return asked;
  }

  heard(error) {
    this.pulse(error);
    show(this.trouble, error !== null);
    if (error)
      text(this.trouble.lastElementChild, `${error.message} The data may be outdated; it is reloaded automatically.`);
  }

  /** Asks for a change, then for everything anew. Gives what was answered, or undefined if it was refused, which the
   * reader has then been told. */
  async change(method, path, body, done) {
    try {
      const answer = await send(method, path, body);
      if (done) tell(done);
      this.soon();
      return answer ?? {};
    } catch (error) {
      if (!(error instanceof Ended)) complain(error.words ?? error.message);
      return undefined;
    }
  }

  soon() {
    for (const asked of this.watching) asked.soon();
  }

  /** Something to be done when the room is left. */
  leaving(end) {
    this.last.push(end);
  }

  leave() {
    for (const asked of this.watching) asked.stop();
    for (const end of this.last) end();
    this.element.replaceChildren();
  }
}

/** What stands where there is nothing to show: why, and what to do next. */
export function blank(what, next, code) {
  return h("div", { class: "blank" }, h("b", { text: what }), next, code ? h("pre", { text: code }) : null);
}
