// Models: every target in its pool, in the order in which they are tried, with the terms of its score.

import { confirmed } from "./dialogs.js";
import { fresh, h, rows, show, text } from "./dom.js";
import { sortable } from "./drag.js";
import { plural } from "./format.js";
import { arrow, opens } from "./opening.js";
import { blank } from "./stage.js";
import { targetRow } from "./target.js";

export const TITLE = "Models";

const EVERY = 4000;
const POOLS = [
  ["fast", "Fast", "small models: completions, titles, summaries"],
  ["balanced", "Balanced", "mid-size models: everyday work"],
  ["smart", "Smart", "the strongest models: hard problems, agents"],
];

export const id = (target) => `${target.provider}/${target.model}`;

export function open(stage) {
  let targets = [];
  const number = h("p", { class: "soft small" });
  const revert = h("button", { class: "button", type: "button", text: "Revert changes", hidden: true });
  const nothing = blank(
    "No targets configured.",
    "Add providers and models to pointsman.yaml. The file is reloaded automatically.",
  );
  const shown = (fallback) => {
    targets = [...fallback.targets].sort((a, b) => a.order - b.order);
    for (const pool of pools) pool.update(targets);
    show(nothing, targets.length === 0);
    show(
      revert,
      targets.some((target) => target.overridden.length > 0),
    );
    text(number, `${plural(targets.length, "target")}, ${targets.filter((each) => each.enabled).length} enabled`);
  };
  const change = async (changes, done) => {
    const answer = await stage.change("PUT", "/api/fallback", { targets: changes }, done);
    if (answer) shown(answer);
    return answer;
  };
  const yard = {
    stage,
    order: (pool, wanted) => change(merged(targets, pool, wanted)),
    change: (target, what) => change(amended(targets, target, what)),
  };
  const pools = POOLS.map(([name, title, about]) => poolSection(name, title, about, yard));
  revert.addEventListener("click", async () => {
    const explanation = "Order, state and pools will be reset to those in pointsman.yaml.";
    if (!(await confirmed("Revert changes to targets?", explanation, "Revert"))) return;
    const answer = await stage.change("DELETE", "/api/fallback", undefined, "Changes to targets reverted.");
    if (answer) shown(answer);
  });
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number, revert),
    h(
      "div",
      { class: "stack" },
      nothing,
      pools.map((pool) => pool.element),
    ),
  );
  stage.watch("/api/fallback", EVERY, shown);
}

const named = ({ provider, model }) => ({ provider, model });

/** All targets, those of the pool in the wanted order on the places that the pool had. */
function merged(targets, pool, wanted) {
  const left = [...wanted];
  return targets.map((target) => named(target.pool === pool ? left.shift() : target));
}

/** All targets in their order, one of them changed. */
const amended = (targets, target, what) =>
  targets.map((each) => ({ ...named(each), ...(id(each) === id(target) && what) }));

function poolSection(pool, title, about, yard) {
  const list = h("ol", { class: "targets", id: fresh("pool") });
  const number = h("span", { class: "soft small" });
  const head = h("button", { class: "pool-head", type: "button" }, arrow(), h("span", { text: title }));
  opens(head, list);
  let members = [];
  const reorder = (wanted) => yard.order(pool, wanted);
  const move = (target, by) => {
    const at = members.findIndex((each) => id(each) === id(target));
    const wanted = members.filter((_, index) => index !== at);
    wanted.splice(Math.max(0, at + by), 0, members[at]);
    return reorder(wanted);
  };
  const known = (name) => members.find((each) => id(each) === name);
  const drag = sortable(list, (ids) => reorder(ids.map(known).filter(Boolean)));
  const words = h("span", { class: "soft small pool-about", text: about });
  const top = h("div", { class: "sheet-head" }, h("h2", {}, head), words, number);
  const element = h("section", { class: "sheet pool", "data-pool": pool }, top, list);
  return {
    element,
    update(targets) {
      if (drag.isBusy()) return;
      members = targets.filter((target) => target.pool === pool);
      show(element, members.length > 0);
      const placed = members.map((target, at) => ({ target, at, last: members.length - 1 }));
      rows(
        list,
        placed,
        ({ target }) => id(target),
        () => targetRow({ ...yard, move, handle: drag.handle }),
      );
      text(number, plural(members.length, "target"));
    },
  };
}
