// Clients: who may ask, what each may use and has used; the form that adds one, and its key, which is shown once.

import { clientForm } from "./client_form.js";
import { copied } from "./copying.js";
import { confirmed } from "./dialogs.js";
import { attribute, h, place, rows, show, text } from "./dom.js";
import { count, large, moment, plural } from "./format.js";
import { queryOfAll, whose } from "./instances.js";
import { listing } from "./listing.js";
import { blankLater } from "./stage.js";
import { button, cell, headings } from "./tables.js";
import { toggle } from "./toggle.js";

export const TITLE = "Clients";

const EVERY = 4000;
const COLUMNS = ["Client", "May use", "Budgets", "Requests", "Cost", "Last used", "Enabled", ""];
const LIMITS = [
  ["rpm", "requests a minute"],
  ["tpm", "tokens a minute"],
  ["concurrency", "at once"],
];
const FEW = 12; // clients that need no field to search them
const NEARLY = 0.8; // of a budget, from which on it is shown as nearly used up

export function open(stage) {
  const fresh = newKey();
  const form = clientForm(stage, fresh.showKey);
  const body = h("tbody");
  const table = h("table", { class: "table" }, headings(COLUMNS), body);
  const nothing = blankLater(
    "No clients yet.",
    "Clients on this machine need no key. Once there is a client, every request needs one.",
  );
  const number = h("p", { class: "soft small" });
  const instances = whose();
  const listed = listing(
    "clients",
    (client) => `${client.name} ${client.models.join(" ")}`,
    (page) =>
      rows(
        body,
        page,
        (client) => client.name,
        (client) => clientRow(client, stage, fresh.showKey),
      ),
  );
  const list = h("section", { class: "sheet", "aria-label": "Clients" }, table, nothing, listed.pages);
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE }), number, instances.element),
    h("div", { class: "stack" }, fresh.element, form.element, listed.search, list),
  );
  stage.watch(() => `/api/clients${queryOfAll()}`, EVERY, ({ clients, instances: answering }) => {
    instances.update(answering);
    listed.update(clients);
    show(table, clients.length > 0);
    show(listed.search, clients.length > FEW);
    show(nothing, clients.length === 0);
    text(number, plural(clients.length, "client"));
    form.update(clients.length === 0);
  });
}

/** The key of a client that was added or given a new one, until it is closed. */
function newKey() {
  const element = h("section", { class: "sheet sheet-body new-key", "aria-label": "New key", tabindex: "-1", hidden: true });
  const close = button("Done", () => {
    element.replaceChildren();
    show(element, false);
  });
  const showKey = ({ name, key }) => {
    element.replaceChildren(
      h("h2", { text: `Key of ${name}` }),
      h("p", { class: "soft small", text: "It is shown this once: only its hash is kept. A lost key is replaced by a new one." }),
      copied(key, `the key of ${name}`),
      h("div", { class: "buttons" }, close),
    );
    show(element, true);
    element.focus();
  };
  return { element, showKey };
}

function clientRow(first, stage, showKey) {
  let client = first;
  const at = `/api/clients/${encodeURIComponent(first.name)}`;
  const models = h("span");
  const limits = h("span", { class: "soft small" });
  const budgets = h("ul", { class: "budgets" });
  const fallback = h("span", { class: "soft small" });
  const used = h("span");
  const requests = h("a", { href: `#/requests?${new URLSearchParams({ client: first.name })}` });
  const byDay = new URLSearchParams({ window: "30d", by: "day", client: first.name });
  const cost = h("a", { href: `#/analytics?${byDay}` });
  const flip = toggle((enabled) => stage.change("PATCH", at, { disabled: !enabled }));
  const rotate = button("New key", async () => {
    const explanation = `The current key of ${client.name} is refused from then on.`;
    if (!(await confirmed("Make a new key?", explanation, "Make it"))) return;
    const answer = await stage.change("POST", `${at}/rotate`);
    if (answer) showKey(answer);
  });
  const remove = button("Delete", async () => {
    const explanation = `${client.name} will be deleted, and its key refused. What it has used stays in the history.`;
    if (!(await confirmed("Delete this client?", explanation, "Delete"))) return;
    await stage.change("DELETE", at, undefined, "Client deleted.");
  });
  const source = h("span", { class: "soft small", text: "in the file" });
  const row = h(
    "tr",
    { "data-name": first.name },
    cell("Client", h("span", { text: first.name }), "lead"),
    cell("May use", h("div", { class: "lines" }, models, limits)),
    cell("Budgets", h("div", { class: "lines" }, budgets, fallback)),
    cell("Requests", requests),
    cell("Cost", cost),
    cell("Last used", used),
    cell("Enabled", flip.element),
    cell("", h("div", { class: "buttons" }, rotate, remove, source), "act"),
  );
  return [
    row,
    (next) => {
      client = next;
      text(models, client.models.join(", ") === "*" ? "every model" : client.models.join(", "));
      text(limits, limitWords(client.limits));
      rows(
        budgets,
        client.budgets,
        (budget) => `${"usd" in budget} ${budget.per} ${budget.zone}`,
        budgetRow,
      );
      const words = client.budgets.length === 0 ? "no budget" : `then ${client.on_exhausted}`;
      text(fallback, client.budgets.length > 0 && client.on_exhausted === "refuse" ? "" : words);
      text(requests, count(client.requests));
      text(cost, costOf(client));
      text(used, client.last_used === null ? "never" : moment(client.last_used));
      flip.update(!client.disabled, `Accept the key of ${client.name}`);
      show(rotate, client.editable);
      show(remove, client.editable);
      show(source, !client.editable);
    },
  ];
}

const limitWords = (limits) =>
  LIMITS.filter(([name]) => limits[name] !== null)
    .map(([name, words]) => `${count(limits[name])} ${words}`)
    .join(", ");

/** What is known of what a client has cost. */
function costOf({ cost_usd: cost, unpriced }) {
  if (cost === null) return "–";
  if (!unpriced) return dollars(cost);
  const known = Number(cost) === 0 ? "unknown" : `${dollars(cost)} at least`;
  return `${known}: no price for ${plural(unpriced, "attempt")}`;
}

/** Dollars, with the digits that matter. */
function dollars(amount) {
  const value = Number(amount);
  const digits = value === 0 || Math.abs(value) >= 0.01 ? 2 : 4;
  return `${value < 0 ? "-" : ""}$${Math.abs(value).toFixed(digits)}`;
}

function budgetRow() {
  const words = h("span");
  const fill = h("span", { class: "term-fill" });
  const track = h("div", { class: "term-track", "aria-hidden": "true" }, fill);
  const element = h("li", { class: "budget" }, words, track);
  return [
    element,
    (budget) => {
      const isMoney = "usd" in budget;
      const told = isMoney ? dollars : (amount) => large(Number(amount));
      const limit = Number(isMoney ? budget.usd : budget.tokens);
      const part = limit > 0 ? Math.min(1, 1 - Number(budget.left) / limit) : 1;
      const unit = isMoney ? "" : " tokens";
      text(words, `${told(budget.spent)} of ${told(limit)}${unit} a ${budget.per}, ${told(budget.left)} left`);
      attribute(element, "title", `Begins again ${moment(budget.resets)} (${budget.zone})`);
      attribute(element, "data-tone", part >= 1 ? "bad" : part >= NEARLY ? "warn" : "good");
      place(fill, { width: `${Math.max(0, part) * 100}%` });
    },
  ];
}
