// Polling: one request at a time for each path, none while the page is hidden, less often while the router does not
// answer.

import { Ended, read } from "./api.js";

const MOST = 15_000; // milliseconds between two polls, at most

/** Loads `path()` now and every `every` milliseconds, or `every()` of them. Calls `show(data)` when the data changed, `trouble(error)` when a
 * poll failed and `trouble(null)` when one succeeded. Returns `{ stop, soon }`. */
export function watch(path, every, show, trouble) {
  let timer = null;
  let last = null;
  const usual = typeof every === "function" ? every : () => every;
  let pause = usual();
  let asking = false;
  let again = false;
  let stopped = false;

  async function turn() {
    timer = null;
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const data = await read(path());
      if (stopped) return;
      trouble(null);
      if (data !== last) show(data);
      last = data;
      pause = usual();
    } catch (error) {
      if (stopped) return;
      last = null; // the page may have removed what it showed
      if (!(error instanceof Ended)) trouble(error);
      pause = Math.min(MOST, pause * 2);
    } finally {
      asking = false;
      if (!stopped) plan(again ? 0 : pause);
      again = false;
    }
  }

  function plan(wait) {
    if (timer !== null) clearTimeout(timer);
    timer = document.hidden ? null : setTimeout(turn, wait);
  }

  const seen = () => plan(0);
  document.addEventListener("visibilitychange", seen);
  turn();

  return {
    /** Polls at once, after a change made here. */
    soon: () => plan(0),
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
