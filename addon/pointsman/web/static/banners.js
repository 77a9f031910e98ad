// Banners over every view: the router does not answer, the configuration file was refused, state is not shared, or the
// history cannot be written.

import { Unreachable } from "./api.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { moment } from "./format.js";
import { onHealth } from "./instances.js";
import { watch } from "./watch.js";

const EVERY = 5000;

let last = null; // Unix seconds of the last answer since this page was entered
let watching = null;

const part = (id) => document.getElementById(id);

/** Starts the polling of the state that banners tell of. */
export function watchBanners() {
  watching ??= watch(() => "/api/health", EVERY, told, answered);
  watching.soon();
}

function told(health) {
  onHealth(health);
  fileBanner(health);
  sharedBanner(health);
  historyBanner(health);
}

export function stopBanners() {
  watching?.stop();
  watching = null;
  show(part("banner-stopped"), false);
  show(part("banner-file"), false);
  show(part("banner-shared"), false);
  show(part("banner-history"), false);
}

/** When a page is entered: nothing of it is shown yet. */
export function entered() {
  last = null;
}

/** After each request: whether the router answered. While it does not, what is shown is grey and said to be old. */
export function answered(error) {
  const isGone = error instanceof Unreachable;
  if (!isGone) last = Date.now() / 1000;
  attribute(part("room"), "data-stale", isGone);
  const banner = part("banner-stopped");
  if (isGone) {
    const since = last === null ? "" : ` What is shown is as of ${moment(last)}.`;
    text(banner, `The router is not responding.${since} Is it still running? Loading is retried.`);
  }
  show(banner, isGone);
}

function sharedBanner({ shared }) {
  const banner = part("banner-shared");
  show(banner, shared.state === "degraded");
  if (shared.state !== "degraded") return;
  const others = shared.instances - 1;
  const known = others === 1 ? "1 other instance was" : `${others} other instances were`;
  text(banner, `State is not shared: ${shared.reason}. This router continues on its own; ${known} there before.`);
}

function historyBanner({ history_problem: problem }) {
  const banner = part("banner-history");
  show(banner, problem !== null);
  if (problem) text(banner, `The history cannot be written: ${problem}. Requests are routed as before; writing is retried.`);
}

function fileBanner({ refused_file: refused }) {
  const banner = part("banner-file");
  show(banner, refused !== null);
  if (!refused) return;
  if (!banner.firstElementChild) banner.append(h("p"), h("ul"));
  const [words, list] = banner.children;
  text(words, `${refused.file} is invalid as it is now. The configuration from before its last change stays in force.`);
  rows(
    list,
    refused.faults.map(({ path, problem }) => (path ? `${path}: ${problem}` : problem)),
    (fault) => fault,
    (fault) => [h("li", { text: fault }), () => {}],
  );
}
