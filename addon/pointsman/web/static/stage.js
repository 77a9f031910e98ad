// The base of a view: its place on the page, polling that ends with the view, and changes with their messages.

import { Ended, Unreachable, read, send } from "./api.js";
import { h, show, text } from "./dom.js";
import { complain, tell } from "./notices.js";
import { watch } from "./watch.js";

export class Stage {
  /** `pulse(error)` is called after each poll; `error` is null on success. */
  constructor(element, pulse) {
    this.element = element;
    this.watching = [];
    this.last = [];
    this.pulse = pulse;
    this.isLoaded = false;
    this.trouble = h(
      "div",
      { class: "sheet blank", role: "alert", hidden: true },
      h("b", { text: "The data could not be loaded." }),
      h("span"),
    );
    element.append(this.trouble);
  }

  /** Like `watch`; ends with the view. */
  watch(path, every, shown) {
    const asked = watch(typeof path === "function" ? path : () => path, every, shown, (error) => this.heard(error));
    this.watching.push(asked);
    return asked;
  }

  heard(error) {
    this.pulse(error);
    if (error === null) this.isLoaded = true;
    const isShown = error !== null && !(this.isLoaded && error instanceof Unreachable); // that has a banner
    show(this.trouble, isShown);
    if (isShown)
      text(this.trouble.lastElementChild, `${error.message} Loading is retried automatically.`);
  }

  /** Sends a change, then polls everything again. Returns the answer; undefined if it was refused: `refused(words)` is
   * called then, which shows an error. */
  async change(method, path, body, done, refused = complain) {
    try {
      const answer = await send(method, path, body);
      if (done) tell(done);
      this.soon();
      return answer ?? {};
    } catch (error) {
      if (!(error instanceof Ended)) refused(error.words ?? error.message);
      return undefined;
    }
  }

  /** Loads something once. What fails is shown as an error, and undefined returned. */
  async read(path) {
    try {
      return await read(path);
    } catch (error) {
      if (!(error instanceof Ended)) complain(error.words ?? error.message);
      return undefined;
    }
  }

  soon() {
    for (const asked of this.watching) asked.soon();
  }

  /** Registers a function to call when the view is left. */
  leaving(end) {
    this.last.push(end);
  }

  leave() {
    for (const asked of this.watching) asked.stop();
    for (const end of this.last) end();
    this.element.replaceChildren();
  }
}

/** As `blank`, hidden until it is known that the list is empty: `show` it then. */
export function blankLater(...words) {
  const element = blank(...words);
  show(element, false);
  return element;
}

/** A placeholder for an empty list: why it is empty, and what to do next. */
export function blank(what, next, code) {
  return h("div", { class: "blank" }, h("b", { text: what }), next, code ? h("pre", { text: code }) : null);
}
