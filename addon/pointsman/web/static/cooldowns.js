// Active cooldowns and bans with the time left and a button that ends each, and the health of the providers.

import { countdown, until } from "./countdown.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { plural } from "./format.js";
import { endCooldown, unban } from "./mending.js";
import { button, unseen } from "./tables.js";
import { condition, plain } from "./words.js";

/** The column beside the exchanges: `{ element, update(overview) }`. */
export function cooldownColumn(stage) {
  const cooldowns = part("Cooldowns", "models", "No active cooldowns.", coolingRow(stage));
  const bans = part("Bans", "sessions", "No active bans.", banRow(stage));
  const providers = part(
    "Providers",
    "providers",
    "No providers configured. Add one under providers: in pointsman.yaml.",
    providerRow,
  );
  const storms = h("p", { class: "sheet blank small", hidden: true });
  return {
    element: h("div", { class: "stack" }, storms, cooldowns.element, bans.element, providers.element),
    update(overview) {
      cooldowns.update([...overview.cooldowns.targets, ...overview.cooldowns.keys], rowKey);
      bans.update(overview.bans, rowKey);
      providers.update(byCondition(overview.providers), (each) => each.name);
      const running = overview.storms.running.length;
      show(storms, running > 0);
      if (running)
        text(storms, `${plural(running, "client")} refused for now: repeating a failing request.`);
    },
  };
}

const MOST = 12; // of each list
const ORDER = ["bad", "warn", "idle", "good"];

/** What does not work comes first. */
const byCondition = (providers) =>
  [...providers].sort((a, b) => ORDER.indexOf(condition(a.condition)[0]) - ORDER.indexOf(condition(b.condition)[0]));

const rowKey = ({ session, provider, model, key }) => JSON.stringify([session, provider, model, key]);

/** `room` is the page with all of them. */
function part(title, room, none, make) {
  const list = h("ul", { class: "side-list" });
  const empty = h("p", { class: "side-list-empty soft small", text: none, hidden: true });
  const number = h("span", { class: "soft small" });
  const head = h("div", { class: "sheet-head" }, h("h2", { text: title }), number);
  const more = h("a", { href: `#${room}`, hidden: true });
  const element = h("section", { class: "sheet" }, head, list, empty, h("p", { class: "side-list-more small" }, more));
  return {
    element,
    update(items, key) {
      rows(list, items.slice(0, MOST), key, make);
      show(more, items.length > MOST);
      text(more, `and ${items.length - MOST} more`);
      show(list, items.length > 0);
      show(empty, items.length === 0);
      text(number, items.length || "");
    },
  };
}

function row(word, act) {
  const name = h("b");
  const why = h("span", { class: "soft small" });
  const left = countdown(0);
  let latest;
  const target = unseen("");
  const press = button(word, () => act(latest));
  press.append(target);
  const element = h(
    "li",
    {},
    h("div", { class: "side-name" }, name, h("span", { class: "soft small" }, why, " · ", left)),
    press,
  );
  return [
    element,
    (each, title, reason) => {
      latest = each;
      text(name, title);
      text(why, reason);
      text(target, ` ${title}`);
      until(left, each.until);
    },
  ];
}

function coolingRow(stage) {
  return () => {
    const [element, update] = row("End", (each) => endCooldown(stage, each));
    return [
      element,
      (each) => {
        const scope = each.model === null ? each.provider : `${each.provider}/${each.model}`;
        const name = each.key === undefined ? scope : `${scope}, key ${each.key ?? "none"}`;
        update(each, name, plain(each.reason));
      },
    ];
  };
}

function banRow(stage) {
  return () => {
    const [element, update] = row("Unban", (each) => unban(stage, each));
    return [
      element,
      (each) => {
        const name = each.model === null ? each.provider : `${each.provider}/${each.model}`;
        update(each, name, `session ${each.session} · ${plain(each.reason)}`);
      },
    ];
  };
}

function providerRow() {
  const sign = h("span", { class: "sign", "aria-hidden": "true" });
  const name = h("b");
  const words = h("span", { class: "soft small" });
  const element = h("li", {}, sign, h("div", { class: "side-name" }, name, words));
  return [
    element,
    (each) => {
      const [tone, mark] = condition(each.condition);
      attribute(sign, "data-tone", tone);
      text(sign, mark);
      text(name, each.name);
      const keys = each.keys.total ? ` · ${each.keys.usable} of ${plural(each.keys.total, "key")}` : "";
      text(words, `${each.condition.text} · ${plural(each.targets, "model")}${keys}`);
    },
  ];
}
