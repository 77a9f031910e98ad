// Asking again and again: one question at a time for each path, none while nobody looks, more rarely while the router
// does not answer.

import { Ended, read } from "./api.js";

const MOST = 15_000; // milliseconds between two questions, whatever happened

/** Shows what is at `path()` now and every `every` milliseconds. `show(data)` is called when there is something new,
 * `trouble(error)` when a question failed, `trouble(null)` when one was answered. Gives `{ stop, soon }`. */
export function watch(path, every, show, trouble) {
  let timer = null;
  let last = null;
  let pause = every;
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
      pause = every;
      if (data !== last) show(data);
      last = data;
    } catch (error) {
      if (stopped) return;
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
    /** Asks at once: something was changed here. */
    soon: () => plan(0),
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
