// Who rests and for how long, whom sessions stay away from, how providers are; and the buttons that end it.

import { countdown, until } from "./countdown.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { plural } from "./format.js";
import { plain } from "./words.js";

const HEALTH = { healthy: ["good", "✓"], busy: ["warn", "…"], unhealthy: ["bad", "✕"], disabled: ["idle", "–"] };

/** The column beside the exchanges: `{ element, update(overview) }`. */
export function resting(stage) {
  const cooldowns = part("Cooldowns", "Nobody rests.", coolingRow(stage));
  const bans = part("Bans", "No session stays away from anybody.", banRow(stage));
  const providers = part("Providers", "No provider is configured: add one under providers: in pointsman.yaml.", providerRow);
  const storms = h("p", { class: "sheet blank small", hidden: true });
  return {
    element: h("div", { class: "stack" }, storms, cooldowns.element, bans.element, providers.element),
    update(overview) {
      cooldowns.update([...overview.cooldowns.targets, ...overview.cooldowns.keys], (each) => `${each.provider}/${each.model ?? ""}/${each.key ?? ""}`);
      bans.update(overview.bans, (each) => `${each.session}/${each.provider}/${each.model ?? ""}`);
      providers.update(overview.providers, (each) => each.name);
      const running = overview.storms.running.length;
      show(storms, running > 0);
      if (running) text(storms, `${plural(running, "client")} asking the same again and again: turned away for a while.`);
    },
  };
}

function part(title, none, make) {
  const list = h("ul", { class: "rests" });
  const empty = h("p", { class: "rests-none soft small", text: none });
  const number = h("span", { class: "soft small" });
  const element = h("section", { class: "sheet" }, h("div", { class: "sheet-head" }, h("h2", { text: title }), number), list, empty);
  return {
    element,
    update(items, key) {
      rows(list, items, key, make);
      show(list, items.length > 0);
      show(empty, items.length === 0);
      text(number, items.length || "");
    },
  };
}

/** The query that names a cooldown or a ban. */
export function query(members) {
  const named = Object.entries(members).filter(([, value]) => value !== null && value !== undefined);
  return named.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
}

function row(button, act) {
  const name = h("b");
  const why = h("span", { class: "soft small" });
  const left = countdown(0);
  let latest;
  const press = h("button", { class: "button", type: "button", on: { click: () => act(latest) } }, button, h("span", { class: "unseen" }));
  const element = h("li", {}, h("div", { class: "rest-name" }, name, h("span", { class: "soft small" }, why, " · ", left)), press);
  return [element, (each, title, reason) => {
    latest = each;
    text(name, title);
    text(why, reason);
    text(press.lastElementChild, ` ${title}`);
    until(left, each.until);
  }];
}

function coolingRow(stage) {
  const act = ({ provider, model, key }) =>
    stage.change("DELETE", `/api/cooldowns?${query({ provider, model, key })}`, undefined, `${provider} may be asked again.`);
  return () => {
    const [element, update] = row("End", act);
    return [element, (each) => {
      const name = each.model === undefined ? `${each.provider}, key ${each.key ?? "none"}` : `${each.provider}/${each.model}`;
      update(each, name, plain(each.reason));
    }];
  };
}

function banRow(stage) {
  const act = ({ session, provider, model }) =>
    stage.change("DELETE", `/api/bans?${query({ session, provider, model })}`, undefined, `The session may go to ${provider} again.`);
  return () => {
    const [element, update] = row("Unban", act);
    return [element, (each) => {
      const name = each.model === null ? each.provider : `${each.provider}/${each.model}`;
      update(each, name, `session ${each.session} · ${plain(each.reason)}`);
    }];
  };
}

function providerRow() {
  const sign = h("span", { class: "sign", "aria-hidden": "true" });
  const name = h("b");
  const words = h("span", { class: "soft small" });
  const element = h("li", {}, sign, h("div", { class: "rest-name" }, name, words));
  return [element, (each) => {
    const [tone, mark] = HEALTH[each.status] ?? ["idle", "·"];
    attribute(sign, "data-tone", tone);
    text(sign, mark);
    text(name, each.name);
    const keys = each.keys.total ? ` · ${each.keys.usable} of ${plural(each.keys.total, "key")}` : "";
    text(words, `${each.status} · ${plural(each.targets, "model")}${keys}${each.problem ? ` · ${plain(each.problem)}` : ""}`);
  }];
}
