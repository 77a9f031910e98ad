// Keys: every key, masked, with its source and state; and the form that adds one.

import { countdown, until } from "./countdown.js";
import { confirmed, written } from "./dialogs.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { moment, plural, wait } from "./format.js";
import { endCooldown } from "./mending.js";
import { blank } from "./stage.js";
import { complain, tell } from "./notices.js";
import { button, cell, headings } from "./tables.js";
import { toggle } from "./toggle.js";
import { plain } from "./words.js";

export const TITLE = "Keys";

const EVERY = 4000;
const COLUMNS = ["Provider", "Label", "Key", "State", "Source", "Enabled", ""];
const SOURCES = { file: "file", environment: "environment", override: "added here" };

export function open(stage) {
  const form = addForm(stage);
  const body = h("tbody");
  const table = h("table", { class: "table" }, headings(COLUMNS), body);
  const nothing = blank("No keys yet.", "Add one above, or list it under the provider's keys in pointsman.yaml.");
  const number = h("p", { class: "soft small" });
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number),
    h("div", { class: "stack" }, form.element, h("section", { class: "sheet", "aria-label": "Keys" }, table, nothing)),
  );
  stage.watch("/api/keys", EVERY, ({ keys, providers }) => {
    rows(
      body,
      keys,
      (key) => key.id,
      (key) => keyRow(key, stage),
    );
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
  const cells = Object.fromEntries(["provider", "label", "masked", "source"].map((name) => [name, h("span")]));
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
  const buttons = h("div", { class: "buttons" }, test, button("Label", rename), gone);
  const row = h(
    "tr",
    { "data-id": first.id },
    cell("Provider", cells.provider, "lead"),
    cell("Label", cells.label),
    cell("Key", cells.masked),
    cell("State", state.element),
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
      const isChanged = key.overridden.length > 0 && key.source !== "override";
      text(cells.source, SOURCES[key.source] + (isChanged ? ", changed here" : ""));
      flip.update(key.enabled, `Use ${key.provider}'s key ${key.label}`);
      state.update(key);
      show(gone, key.source === "override");
    },
  ];
}

function keyState(stage) {
  const tag = h("span", { class: "tag" });
  const left = countdown(0);
  let key;
  const end = button("End", () => endCooldown(stage, { provider: key.provider, key: key.label }));
  const cooldown = h("span", { class: "key-cooldown small soft" }, left, end);
  const quota = h("span", { class: "key-quota small soft" });
  return {
    element: h("div", { class: "key-state" }, tag, cooldown, quota),
    update(next) {
      key = next;
      const cooling = key.cooldown && [key.invalid ? "bad" : "warn", `✕ ${plain(key.cooldown.reason)}`];
      const [tone, words] = cooling ?? STATES[String(key.enabled)];
      attribute(tag, "data-tone", tone);
      text(tag, words);
      show(cooldown, key.cooldown !== null);
      if (key.cooldown) until(left, key.cooldown.until);
      const ending = key.quotas.filter((each) => each.used_up_at !== null);
      const first = ending.sort((one, other) => one.used_up_at - other.used_up_at)[0];
      text(quota, first ? `${first.window} of ${first.model} used up: ${moment(first.used_up_at)}` : "");
      show(quota, Boolean(first));
    },
  };
}

const STATES = { true: ["good", "✓ usable"], false: ["idle", "– disabled"] };

async function tried(stage, at, key, pressed) {
  attribute(pressed, "aria-disabled", "true");
  const answer = await stage.change("POST", `${at}/test`);
  attribute(pressed, "aria-disabled", null);
  if (!answer) return;
  const models = answer.models === null ? "" : `, ${plural(answer.models, "model")}`;
  if (answer.ok) tell(`Key accepted: ${key.provider} ${key.masked} (${wait(answer.ms)}${models}).`);
  else complain(`Key rejected: ${key.provider} ${key.masked}: ${answer.message}`);
}
