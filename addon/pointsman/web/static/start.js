// Start: the first page while nothing is configured. What is found on this machine, with buttons to add it, the base URL
// to copy, and the commands that set up clients.

import { read } from "./api.js";
import { copied } from "./copying.js";
import { attribute, h, rows, show, text } from "./dom.js";
import { plural } from "./format.js";
import { providerForm } from "./providers.js";
import { button } from "./tables.js";
import { tested } from "./trial.js";

export const TITLE = "Start";

const EVERY = 4000;

export function open(stage) {
  const form = providerForm(stage);
  const found = finder(stage);
  const again = button("Look again", found.look);
  const state = h("p", { class: "sheet sheet-body demo" });
  const base = `${location.origin}/v1`;
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: "Set up Pointsman" }), h("p", { class: "soft small" }), again),
    h(
      "div",
      { class: "stack" },
      state,
      step("1. Add providers", "Found on this machine. Nothing is used before you add it.", found.element),
      form.element,
      step(
        "2. Connect clients",
        "Any client that has a setting for a base URL: this URL, any API key, and the model auto.",
        h("ul", { class: "found" }, h("li", {}, h("span", { text: "Base URL" }), copied(base))),
        found.clients,
      ),
    ),
  );
  stage.watch("/api/overview", EVERY, ({ demo, kept }) => {
    const where = kept ? `kept in ${kept}, keys encrypted` : "kept until this process ends";
    text(
      state,
      demo
        ? `Nothing is configured yet, so built-in demo providers answer. What you add here is ${where}.` +
            " The demo providers are removed when a provider of your own answers."
        : `Your own providers answer. What you add here is ${where}.`,
    );
  });
  stage.watch("/api/providers", EVERY, form.update);
  found.look();
}

const step = (title, about, ...content) =>
  h(
    "section",
    { class: "sheet step" },
    h("div", { class: "sheet-head" }, h("h2", { text: title }), h("span", { class: "soft small", text: about })),
    ...content,
  );

function finder(stage) {
  const list = h("ul", { class: "found", "aria-label": "Found" });
  const notes = h("ul", { class: "found-notes soft small" });
  const nothing = h("p", { class: "blank", hidden: true });
  text(nothing, "No keys in the environment and no model servers on this machine. Add a provider below.");
  const clients = h("ul", { class: "found", "aria-label": "Clients" });
  const other = h("p", { class: "soft small sheet-body" }, "All clients: ", h("code", { text: "pointsman setup" }));
  const looking = h("p", { class: "blank soft", role: "status", text: "Looking …" });
  const shown = (told) => {
    const things = [
      ...told.keys.map((each) => ({
        id: each.variable,
        title: each.provider,
        about: `key in the environment: ${each.variable}`,
        isDone: each.configured,
        isTaken: each.provider_configured,
        asked: { name: each.provider, variable: each.variable },
      })),
      ...told.servers.map((each) => ({
        id: each.base_url,
        title: each.title,
        about: `${each.base_url} · ${plural(each.models.length, "model")}`,
        isDone: each.configured,
        isTaken: false,
        asked: {
          name: each.name,
          base_url: each.base_url,
          models: each.models,
          ...(each.variable && { variable: each.variable }),
        },
      })),
    ];
    rows(
      list,
      things,
      (each) => each.id,
      (each) => foundRow(each, stage, look),
    );
    show(looking, false);
    show(nothing, things.length === 0);
    rows(
      notes,
      told.notes,
      (words) => words,
      (words) => [h("li", { text: words }), () => {}],
    );
    rows(
      clients,
      told.clients,
      (each) => each.name,
      (each) => [h("li", {}, h("span", { text: each.title }), copied(each.command)), () => {}],
    );
  };
  const look = async () => {
    show(looking, true);
    try {
      shown(await read("/api/onboarding"));
    } catch (error) {
      stage.heard(error);
    }
  };
  return { element: h("div", {}, looking, list, nothing, notes), clients: h("div", {}, clients, other), look };
}

function foundRow(first, stage, look) {
  let thing = first;
  const trouble = h("p", { class: "trouble", role: "alert" });
  const done = h("span", { class: "tag", "data-tone": "good", text: "✓ added" });
  const about = h("span", { class: "soft small" });
  const add = button(
    "Add",
    async () => {
      if (add.getAttribute("aria-disabled")) return;
      text(trouble, "");
      attribute(add, "aria-disabled", "true");
      await addFound(thing, stage, trouble);
      attribute(add, "aria-disabled", null);
      await look();
    },
    first.title,
  );
  add.classList.add("main");
  return [
    h("li", { "data-id": first.id }, h("span", {}, h("b", { text: first.title }), about, trouble), done, add),
    (next) => {
      thing = next;
      text(about, thing.about);
      show(done, thing.isDone);
      show(add, !thing.isDone && !thing.isTaken);
    },
  ];
}

async function addFound(thing, stage, trouble) {
  const report = await tested("/api/provider-tests", thing.asked, false);
  if (!report) return;
  text(trouble, report.problem);
  if (report.ok) await stage.change("POST", "/api/providers", thing.asked, `Provider added: ${thing.title}.`);
}
