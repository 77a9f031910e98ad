// The form that adds a client: its name, and, if wished, models, limits and budgets.

import { attribute, h, rows, show, text } from "./dom.js";
import { button } from "./tables.js";

const UNITS = [
  ["usd", "dollars"],
  ["tokens", "tokens"],
];
const PERIODS = [
  ["day", "a day"],
  ["week", "a week"],
  ["month", "a month"],
];
const MOST_BUDGETS = 6;

const field = (name, input, about) =>
  h(
    "label",
    { class: "field" },
    h("span", { text: name }),
    input,
    about ? h("small", { class: "soft small", text: about }) : null,
  );

const input = (more) => h("input", { class: "input", type: "text", autocomplete: "off", spellcheck: "false", ...more });
const amount = (more) => input({ type: "number", min: 1, step: 1, ...more });
const choice = (options, name) =>
  h(
    "select",
    { class: "input", "aria-label": name },
    options.map(([value, words]) => h("option", { value, text: words })),
  );

/** `added(client)` is called with the answer, which has the key. */
export function clientForm(stage, added) {
  const name = input({ required: true, maxlength: 64, pattern: "[A-Za-z0-9._\\-]+" });
  const models = input({ maxlength: 2000, placeholder: "every model" });
  const limits = { rpm: amount(), tpm: amount(), concurrency: amount() };
  const fallback = input({ maxlength: 200, placeholder: "refuse" });
  const budgets = budgetList();
  const warning = h("p", { class: "soft small", hidden: true });
  text(warning, "Once there is a client, every request needs a key, even from this machine.");
  const element = h(
    "form",
    { class: "add-client sheet sheet-body", "aria-label": "Add a client" },
    h("h2", { text: "Add a client" }),
    warning,
    h(
      "div",
      { class: "form-row" },
      field("Name", name, "letters, digits, dots, dashes and underscores"),
      field("Models", models, "names or globs such as groq/* or auto-fast, separated by commas"),
    ),
    h(
      "div",
      { class: "client-limits" },
      field("Requests a minute", limits.rpm),
      field("Tokens a minute", limits.tpm),
      field("Requests at once", limits.concurrency),
    ),
    budgets.element,
    h("div", { class: "form-row" }, field("When a budget is used up", fallback, "refuse, or a mode or model to ask instead")),
    h("div", { class: "buttons" }, h("button", { class: "button main", type: "submit", text: "Add client" })),
  );
  const asked = () => {
    const names = models.value.split(/[\s,]+/).filter(Boolean);
    const set = Object.entries(limits).filter(([, each]) => each.value);
    const spent = budgets.values();
    return {
      name: name.value.trim(),
      ...(names.length > 0 && { models: names }),
      ...(set.length > 0 && { limits: Object.fromEntries(set.map(([key, each]) => [key, Number(each.value)])) }),
      ...(spent.length > 0 && { budgets: spent }),
      ...(fallback.value.trim() && { on_exhausted: fallback.value.trim() }),
    };
  };
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const client = await stage.change("POST", "/api/clients", asked());
    if (!client) return;
    element.reset();
    budgets.clear();
    added(client);
  });
  return { element, update: (isFirst) => show(warning, isFirst) };
}

function budgetList() {
  let budgets = [];
  let made = 0;
  const list = h("ul", { class: "budget-rows" });
  const more = button("Add a budget", () => {
    made += 1;
    budgets = [...budgets, { id: made }];
    draw();
    list.lastElementChild.querySelector("input").focus();
  });
  const fields = new Map();
  const draw = () => {
    rows(list, budgets, (budget) => budget.id, budgetRow);
    attribute(more, "disabled", budgets.length >= MOST_BUDGETS);
  };
  const budgetRow = ({ id }) => {
    const size = input({ type: "number", min: 0, step: "any", required: true, "aria-label": "Amount" });
    const unit = choice(UNITS, "Unit");
    const per = choice(PERIODS, "Period");
    const zone = input({ maxlength: 64, placeholder: "UTC", "aria-label": "Time zone" });
    const remove = button("Remove", () => {
      budgets = budgets.filter((each) => each.id !== id);
      fields.delete(id);
      draw();
      more.focus();
    });
    fields.set(id, { size, unit, per, zone });
    return [h("li", { class: "budget-row" }, size, unit, per, zone, remove), () => {}];
  };
  const value = ({ size, unit, per, zone }) => ({
    [unit.value]: unit.value === "usd" ? size.value : Number(size.value),
    per: per.value,
    ...(zone.value.trim() && { zone: zone.value.trim() }),
  });
  return {
    element: h("fieldset", { class: "budget-list" }, h("legend", { class: "label", text: "Budgets" }), list, more),
    values: () => budgets.map((each) => value(fields.get(each.id))),
    clear() {
      budgets = [];
      fields.clear();
      draw();
    },
  };
}
