// Models: every target, by pool in the order in which they are tried or by provider; searched, filtered, switched,
// tested. No more than 60 rows are on the page at once.

import { confirmed } from "./dialogs.js";
import { attribute, fresh, h, rows, show, text } from "./dom.js";
import { sortable } from "./drag.js";
import { count, plural } from "./format.js";
import { MOST_ROWS } from "./listing.js";
import { arrow } from "./opening.js";
import { blankLater } from "./stage.js";
import { unseen } from "./tables.js";
import { targetRow } from "./target.js";

export const TITLE = "Models";

const EVERY = 4000;
const FOR_EACH = 20; // milliseconds: many targets are asked for less often, so that the router makes 50 rows a second at most
const POOLS = [
  ["fast", "Fast", "small models: completions, titles, summaries"],
  ["balanced", "Balanced", "mid-size models: everyday work"],
  ["smart", "Smart", "the strongest models: hard problems, agents"],
];
const STATES = [
  ["", "every status"],
  ["works worked", "works"],
  ["failing failed key_refused unreachable no_key", "does not work"],
  ["cooling limited", "cooling or at a limit"],
  ["untried unclear", "not tried yet"],
  ["disabled", "disabled"],
];

export const id = (target) => `${target.provider}/${target.model}`;

export function open(stage) {
  let targets = [];
  const number = h("p", { class: "soft small" });
  const revert = h("button", { class: "button", type: "button", text: "Revert changes", hidden: true });
  const nothing = blankLater(
    "No targets configured.",
    "Add providers and models to pointsman.yaml. The file is reloaded automatically.",
  );
  const none = h("p", { class: "sheet blank", text: "No model matches.", hidden: true });
  const filters = filterBar(() => draw());
  const list = h("div", { class: "stack" });
  const opened = new Map(); // by group: whether it was opened or closed by hand
  const pages = new Map(); // by group: the first row of its page

  const change = async (changes, done) => {
    const answer = await stage.change("PUT", "/api/fallback", { targets: changes }, done);
    if (answer) shown(answer);
    return answer;
  };
  const yard = {
    stage,
    order: (wanted) => change(merged(targets, wanted)),
    change: (target, what) => change(amended(targets, [target], what)),
    switchAll: (members, enabled) =>
      change(amended(targets, members, { enabled }), `${plural(members.length, "model")} switched ${enabled ? "on" : "off"}.`),
    toggle(group, isOpen) {
      opened.set(group, isOpen);
      draw(group);
    },
    turn(group, first) {
      pages.set(group, first);
      draw(group);
    },
  };
  const draw = (latest) => {
    const found = targets.filter(filters.matches);
    const groups = grouped(found, filters.byProvider());
    openSome(groups, opened, latest);
    for (const group of groups) group.first = pageStart(pages.get(group.key) ?? 0, group.members.length);
    rows(
      list,
      groups,
      (group) => group.key,
      () => groupSection(yard),
    );
    show(none, targets.length > 0 && found.length === 0);
    show(nothing, targets.length === 0);
    const enabled = targets.filter((each) => each.enabled).length;
    const shownOf = found.length === targets.length ? "" : `, ${count(found.length)} match`;
    text(number, `${plural(targets.length, "target")}, ${count(enabled)} enabled${shownOf}`);
  };
  const shown = (fallback) => {
    targets = [...fallback.targets].sort((a, b) => a.order - b.order);
    filters.update(targets);
    show(
      revert,
      targets.some((target) => target.overridden.length > 0),
    );
    draw();
  };
  revert.addEventListener("click", async () => {
    const explanation = "Order, state and pools will be reset to those in pointsman.yaml.";
    if (!(await confirmed("Revert changes to targets?", explanation, "Revert"))) return;
    const answer = await stage.change("DELETE", "/api/fallback", undefined, "Changes to targets reverted.");
    if (answer) shown(answer);
  });
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number, revert),
    h("div", { class: "stack" }, filters.element, nothing, none, list),
  );
  stage.watch("/api/fallback", () => Math.max(EVERY, targets.length * FOR_EACH), shown);
}

const named = ({ provider, model }) => ({ provider, model });

/** All targets, those of `wanted` in its order on the places that they had. */
function merged(targets, wanted) {
  const left = [...wanted];
  const moved = new Set(wanted.map(id));
  return targets.map((target) => named(moved.has(id(target)) ? left.shift() : target));
}

/** All targets in their order, some of them changed. */
function amended(targets, members, what) {
  const meant = new Set(members.map(id));
  return targets.map((each) => ({ ...named(each), ...(meant.has(id(each)) && what) }));
}

/** The search field, the choices and what they let through. */
function filterBar(changed) {
  const search = h("input", {
    class: "input search",
    type: "search",
    placeholder: "Search models",
    "aria-label": "Search models",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
  });
  const select = (name, options) =>
    h(
      "select",
      { class: "input", "aria-label": name, on: { change: changed } },
      options.map(([value, words]) => h("option", { value, text: words })),
    );
  const state = select("Status", STATES);
  const provider = select("Provider", [["", "every provider"]]);
  const grouping = select("Grouped by", [
    ["", "grouped automatically"],
    ["pool", "grouped by pool"],
    ["provider", "grouped by provider"],
  ]);
  let many = false;
  search.addEventListener("input", changed);
  return {
    element: h("div", { class: "filters" }, search, provider, state, grouping),
    matches(target) {
      const said = `${target.target} ${target.name ?? ""} ${target.pool} ${target.condition.text}`.toLowerCase();
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      return (
        words.every((word) => said.includes(word)) &&
        (!state.value || state.value.split(" ").includes(target.condition.state)) &&
        (!provider.value || provider.value === target.provider)
      );
    },
    byProvider: () => (grouping.value ? grouping.value === "provider" : many),
    update(targets) {
      many = targets.length > MOST_ROWS;
      rows(
        provider,
        ["", ...new Set(targets.map((each) => each.provider))],
        (name) => name,
        (name) => [h("option", { value: name, text: name || "every provider" }), () => {}],
      );
    },
  };
}

/** `{ key, title, about, members }` of each group that has members. */
function grouped(targets, byProvider) {
  if (!byProvider) {
    return POOLS.map(([pool, title, about]) => ({
      key: `pool ${pool}`,
      pool,
      title,
      about,
      members: targets.filter((target) => target.pool === pool),
    })).filter((group) => group.members.length > 0);
  }
  const found = Map.groupBy(targets, (target) => target.provider);
  return [...found].map(([provider, members]) => ({ key: `provider ${provider}`, title: provider, about: "", members }));
}

/** Opens as many groups as there is room for: the one touched last, those opened by hand, then the first ones. Of many
 * targets by provider, only those that were opened by hand. */
function openSome(groups, opened, latest) {
  const total = groups.reduce((sum, group) => sum + group.members.length, 0);
  const opensItself = total <= MOST_ROWS || groups.some((group) => group.pool);
  let room = MOST_ROWS;
  const rank = (group) => (group.key === latest ? 0 : opened.get(group.key) ? 1 : 2);
  for (const group of [...groups].sort((a, b) => rank(a) - rank(b))) {
    const needed = Math.min(group.members.length, MOST_ROWS);
    group.isOpen = (opened.get(group.key) ?? opensItself) && needed <= room;
    if (group.isOpen) room -= needed;
    else if (opened.get(group.key)) opened.delete(group.key);
  }
}

const pageStart = (first, length) => (first < length ? first : Math.max(0, Math.floor((length - 1) / MOST_ROWS) * MOST_ROWS));

function groupSection(yard) {
  const list = h("ol", { class: "targets", id: fresh("group") });
  const number = h("span", { class: "soft small" });
  const title = h("span");
  const head = h("button", { class: "pool-head", type: "button", "aria-controls": list.id }, arrow(), title);
  const about = h("span", { class: "soft small pool-about" });
  const act = (word, press) => {
    const whose = unseen("");
    const made = h("button", { class: "button", type: "button", on: { click: press } }, word, whose);
    return [made, whose];
  };
  const switchAll = async (enabled) => {
    await yard.switchAll(group.members, enabled);
    if (document.activeElement === document.body) (on.hidden ? off : on).focus(); // the pressed one is gone
  };
  const [on, onWhose] = act("Switch all on", () => switchAll(true));
  const [off, offWhose] = act("Switch all off", () => switchAll(false));
  const back = h("button", { class: "button", type: "button", text: "Previous", on: { click: () => turn(-1) } });
  const next = h("button", { class: "button", type: "button", text: "Next", on: { click: () => turn(1) } });
  const range = h("span", { class: "soft small", role: "status" });
  const pages = h("div", { class: "pages", hidden: true }, back, range, next);
  let group = { members: [], first: 0, key: "" };
  let page = [];
  const turn = (by) => {
    const first = group.first + by * MOST_ROWS;
    if (first >= 0 && first < group.members.length) yard.turn(group.key, first);
  };
  head.addEventListener("click", () => yard.toggle(group.key, list.hidden));
  const move = (target, by) => {
    const at = group.members.findIndex((each) => id(each) === id(target));
    const wanted = group.members.filter((_, index) => index !== at);
    wanted.splice(Math.max(0, at + by), 0, group.members[at]);
    return yard.order(wanted);
  };
  const known = (name) => page.find((each) => id(each) === name);
  const drag = sortable(list, (ids) => yard.order(ids.map(known).filter(Boolean)));
  const top = h(
    "div",
    { class: "sheet-head" },
    h("h2", {}, head),
    about,
    number,
    h("div", { class: "buttons" }, on, off),
  );
  const element = h("section", { class: "sheet pool" }, top, list, pages);
  return [
    element,
    (told) => {
      if (drag.isBusy()) return;
      group = told;
      const { members, first, isOpen } = told;
      attribute(element, "data-pool", told.pool);
      attribute(element, "data-group", told.key);
      text(title, told.title);
      text(about, told.about);
      text(onWhose, ` of ${told.title}`);
      text(offWhose, ` of ${told.title}`);
      page = isOpen ? members.slice(first, first + MOST_ROWS) : [];
      rows(
        list,
        page.map((target, index) => ({ target, at: first + index, last: members.length - 1 })),
        ({ target }) => id(target),
        () => targetRow({ ...yard, move, handle: drag.handle }),
      );
      show(list, isOpen);
      attribute(head, "aria-expanded", String(isOpen));
      show(pages, isOpen && members.length > MOST_ROWS);
      text(range, `${count(first + 1)} to ${count(first + page.length)} of ${count(members.length)}`);
      attribute(back, "aria-disabled", first === 0 ? "true" : null);
      attribute(next, "aria-disabled", first + MOST_ROWS >= members.length ? "true" : null);
      const enabled = members.filter((each) => each.enabled).length;
      text(number, `${plural(members.length, "target")}, ${count(enabled)} on`);
      show(on, enabled < members.length);
      show(off, enabled > 0);
    },
  ];
}
