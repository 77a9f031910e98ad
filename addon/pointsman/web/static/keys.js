// Keys: every key, masked, with its source and state; and the form that adds one.

import { countdown, until } from "./countdown.js";
import { confirmed, shown, written } from "./dialogs.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { large, moment, money, plural, wait } from "./format.js";
import { endCooldown } from "./mending.js";
import { MOST_ROWS, listing } from "./listing.js";
import { blankLater } from "./stage.js";
import { complain, tell } from "./notices.js";
import { button, cell, fact, headings } from "./tables.js";
import { limitFacts, limitName, statusTag, totalFacts } from "./status.js";
import { toggle } from "./toggle.js";

export const TITLE = "Keys";

const EVERY = 4000;
const COLUMNS = ["Provider", "Label", "Key", "Status", "Limits left", "Tokens", "Cost", "Last used", "Source", "Enabled", ""];
const SOURCES = { file: "file", environment: "environment", override: "added here" };

export function open(stage) {
  const form = addForm(stage);
  const body = h("tbody");
  const table = h("table", { class: "table" }, headings(COLUMNS), body);
  const nothing = blankLater("No keys yet.", "Add one above, or list it under the provider's keys in pointsman.yaml.");
  const number = h("p", { class: "soft small" });
  let keys = [];
  const leastFirst = h("button", {
    class: "button",
    type: "button",
    "aria-pressed": "false",
    text: "Least left first",
    on: {
      click: () => {
        attribute(leastFirst, "aria-pressed", String(leastFirst.getAttribute("aria-pressed") === "false"));
        draw();
      },
    },
  });
  const draw = () => listed.update(leastFirst.getAttribute("aria-pressed") === "true" ? byLeft(keys) : keys);
  const listed = listing(
    "keys",
    (key) => `${key.provider} ${key.label} ${key.masked} ${key.condition.text}`,
    (page) =>
      rows(
        body,
        page,
        (key) => key.id,
        (key) => keyRow(key, stage),
      ),
  );
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number),
    h(
      "div",
      { class: "stack" },
      form.element,
      h("div", { class: "filters-of-keys" }, listed.search, leastFirst),
      h("section", { class: "sheet", "aria-label": "Keys" }, table, nothing, listed.pages),
    ),
  );
  stage.watch("/api/keys", EVERY, ({ keys: told, providers }) => {
    keys = told;
    draw();
    show(table, keys.length > 0);
    show(nothing, keys.length === 0);
    text(number, plural(keys.length, "key"));
    form.update(providers);
  });
}

function addForm(stage) {
  const provider = h("select", { class: "input", required: true });
  const value = h("input", { class: "input", type: "password", required: true, autocomplete: "off", maxlength: 4096 });
  const label = h("input", {
    class: "input",
    type: "text",
    autocomplete: "off",
    maxlength: 200,
    placeholder: "optional",
  });
  const add = h("button", { class: "button main", type: "submit", text: "Add key" });
  const form = h(
    "form",
    { class: "add-key sheet sheet-body", "aria-label": "Add a key" },
    field("Provider", provider),
    field("Key", value),
    field("Label", label),
    add,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const named = label.value.trim() && { label: label.value.trim() };
    const asked = { provider: provider.value, value: value.value, ...named };
    const key = await stage.change("POST", "/api/keys", asked, `Key added to ${provider.value}.`);
    if (!key) return;
    value.value = label.value = "";
  });
  const option = (name) => [h("option", { value: name, text: name }), () => {}];
  return { element: form, update: (providers) => rows(provider, providers, (name) => name, option) };
}

const field = (name, input) => h("label", { class: "field" }, h("span", { text: name }), input);

function keyRow(first, stage) {
  let key = first;
  const at = `/api/keys/${encodeURIComponent(first.id)}`;
  const cells = Object.fromEntries(["provider", "label", "masked", "room", "tokens", "cost", "used", "source"].map((name) => [name, h("span")]));
  cells.masked.className = "mono";
  const state = keyState(stage);
  const flip = toggle((enabled) => stage.change("PATCH", at, { enabled }));
  const rename = async () => {
    const label = await written(`Label of ${key.provider}'s key`, "Label", key.label, "Save");
    if (label) await stage.change("PATCH", at, { label }, "Label changed.");
  };
  const remove = async () => {
    const explanation = `${key.masked} of ${key.provider} will be deleted. Running requests continue to use it.`;
    if (!(await confirmed("Delete this key?", explanation, "Delete"))) return;
    await stage.change("DELETE", at, undefined, "Key deleted.");
  };
  const test = button("Test", () => tried(stage, at, key, test));
  const gone = button("Delete", remove);
  const details = button("Details", () => showDetails(key), `key ${first.label} of ${first.provider}`);
  const buttons = h("div", { class: "buttons" }, test, button("Label", rename), details, gone);
  const row = h(
    "tr",
    { "data-id": first.id },
    cell("Provider", cells.provider, "lead"),
    cell("Label", cells.label),
    cell("Key", cells.masked),
    cell("Status", state.element),
    cell("Limits left", cells.room),
    cell("Tokens", cells.tokens),
    cell("Cost", cells.cost),
    cell("Last used", cells.used),
    cell("Source", cells.source),
    cell("Enabled", flip.element),
    cell("", buttons, "act"),
  );
  return [
    row,
    (next) => {
      key = next;
      text(cells.provider, key.provider);
      text(cells.label, key.label);
      text(cells.masked, key.masked);
      const { usage, last_used: used } = key.totals;
      text(cells.room, leftWords(scarcest(key.models)));
      text(cells.tokens, large(usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h + usage.output));
      text(cells.cost, money(key.totals.cost_usd));
      text(cells.used, used === null ? "never" : moment(used));
      const isChanged = key.overridden.length > 0 && key.source !== "override";
      text(cells.source, SOURCES[key.source] + (isChanged ? ", changed here" : ""));
      flip.update(key.enabled, `Use ${key.provider}'s key ${key.label}`);
      state.update(key);
      show(gone, key.source === "override");
    },
  ];
}

function keyState(stage) {
  const tag = statusTag();
  const left = countdown(0);
  let key;
  const end = button("End", () => endCooldown(stage, { provider: key.provider, key: key.label }));
  const cooldown = h("span", { class: "key-cooldown small soft" }, left, end);
  const quota = h("span", { class: "key-quota small soft" });
  return {
    element: h("div", { class: "key-state" }, tag.element, cooldown, quota),
    update(next) {
      key = next;
      tag.update(key.condition);
      show(cooldown, key.cooldown !== null);
      if (key.cooldown) until(left, key.cooldown.until);
      const ending = key.quotas.filter((each) => each.used_up_at !== null);
      const first = ending.sort((one, other) => one.used_up_at - other.used_up_at)[0];
      text(quota, first ? `at this rate used up at ${moment(first.used_up_at)} (${limitName(first.window)}, ${first.model})` : "");
      show(quota, Boolean(first));
    },
  };
}

/** What the key has done so far, and each of its models that was tried or has limits. */
function showDetails(key) {
  const facts = h("dl", { class: "facts small" });
  rows(facts, totalFacts(key.totals), ([name]) => name, fact);
  const models = key.models.slice(0, MOST_ROWS).map(({ model, condition, totals, limits }) => {
    const tag = statusTag();
    tag.update(condition);
    const own = h("dl", { class: "facts small" });
    rows(own, totalFacts(totals, limits), ([name]) => name, fact);
    return h("li", {}, h("code", { text: model }), " ", tag.element, own);
  });
  const more = key.models.length > MOST_ROWS ? h("p", { class: "soft small", text: `${MOST_ROWS} of ${key.models.length} models` }) : null;
  shown(`${key.provider} ${key.label}`, facts, h("ul", { class: "key-models" }, models), more);
}

/** Those of whose scarcest limit the smallest share is left come first. */
function byLeft(keys) {
  const share = ({ models }) => {
    const least = scarcest(models);
    return least ? least.left / least.limit : Infinity;
  };
  return [...keys].sort((one, other) => share(one) - share(other) || 0);
}

/** The limit of which the smallest share is left, over all models of a key; undefined if there is none. */
function scarcest(models) {
  const left = models.flatMap(({ model, limits }) => Object.entries(limits).map(([name, window]) => ({ model, name, ...window })));
  return left.sort((one, other) => one.left / one.limit - other.left / other.limit)[0];
}

function leftWords(least) {
  if (!least) return "no limits";
  const [[name, value]] = limitFacts({ [least.name]: least });
  return `${value} ${name.replace(" left", "")} (${least.model})`;
}

async function tried(stage, at, key, pressed) {
  attribute(pressed, "aria-disabled", "true");
  const answer = await stage.change("POST", `${at}/test`);
  attribute(pressed, "aria-disabled", null);
  if (!answer) return;
  const models = answer.models === null ? "" : `, ${plural(answer.models, "model")}`;
  if (answer.ok) tell(`Key accepted: ${key.provider} ${key.masked} (${wait(answer.ms)}${models}).`);
  else complain(`Key rejected: ${key.provider} ${key.masked}: ${answer.message}`);
}
