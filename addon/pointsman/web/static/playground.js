// Playground: a prompt is asked as a client would, by mode or model, alone or of two side by side. The answer streams in,
// and below it stands how it was decided. The login session stands for a key; the page has none.

import { chat, read } from "./api.js";
import { attribute, fresh, h, rows, show, text } from "./dom.js";
import { count, money, wait } from "./format.js";
import { pageOf } from "./request_detail.js";
import { fact } from "./tables.js";
import { outcome, plain, readable } from "./words.js";

export const TITLE = "Playground";

const MODES = ["auto", "auto-fast", "auto-balanced", "auto-smart"];
const RECORD_TRIES = 10; // the record is written once the answer has ended
const RECORD_PAUSE = 200; // milliseconds

export function open(stage) {
  const models = h("datalist", { id: fresh("models") });
  const sides = [side("Model or mode", "auto", models.id), side("Second model or mode", "auto-smart", models.id)];
  const prompt = h("textarea", { class: "input", rows: 5, required: true, maxlength: 100_000 });
  const two = h("input", { type: "checkbox" });
  const ask = h("button", { class: "button main", type: "submit", text: "Ask" });
  const stop = h("button", { class: "button", type: "button", text: "Stop", hidden: true });
  let running = null;

  const form = h(
    "form",
    { class: "playground sheet sheet-body", "aria-label": "Ask" },
    h("label", { class: "field" }, h("span", { text: "Prompt" }), prompt),
    h("div", { class: "form-row" }, sides[0].choice, sides[1].choice),
    h("label", { class: "check" }, two, h("span", { text: "Ask two side by side" })),
    models,
    h("div", { class: "buttons" }, ask, stop),
    h("p", { class: "soft small", text: "Requests count against the limits of the providers, but not for a client." }),
  );
  const answers = h("div", { class: "answers" }, sides[0].element, sides[1].element);
  const arrange = () => {
    show(sides[1].choice, two.checked);
    show(sides[1].element, two.checked && sides[1].isUsed());
    attribute(answers, "data-two", two.checked);
  };
  two.addEventListener("change", arrange);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running || !prompt.value.trim()) return;
    running = new AbortController();
    show(stop, true);
    attribute(ask, "aria-disabled", "true");
    const asked = two.checked ? sides : sides.slice(0, 1);
    const answered = asked.map((each) => each.run(prompt.value, running.signal));
    arrange();
    await Promise.all(answered);
    running = null;
    show(stop, false);
    attribute(ask, "aria-disabled", null);
  });
  stop.addEventListener("click", () => running?.abort());
  stage.leaving(() => running?.abort());
  arrange();
  stage.element.append(
    h("div", { class: "room-head" }, h("h1", { text: TITLE })),
    h("div", { class: "stack" }, form, answers),
  );
  stage.watch("/api/fallback", 60_000, ({ targets }) => {
    const names = [...MODES, ...targets.filter((each) => each.enabled && each.kinds.includes("chat")).map((each) => each.target)];
    rows(
      models,
      names,
      (name) => name,
      (name) => [h("option", { value: name }), () => {}],
    );
  });
}

/** One model that is asked: its choice, and its answer with the decision. */
function side(label, first, listId) {
  const field = h("input", {
    class: "input mono",
    type: "text",
    value: first,
    list: listId,
    required: true,
    maxlength: 300,
    autocomplete: "off",
    spellcheck: "false",
  });
  const title = h("h2");
  const state = h("span", { class: "soft small", role: "status" });
  const answer = h("div", { class: "answer" });
  const trouble = h("p", { class: "trouble" });
  const facts = h("dl", { class: "facts small" });
  const attempts = h("ol", { class: "answer-attempts small" });
  const link = h("a", { class: "small", text: "This request on record", hidden: true });
  const element = h(
    "section",
    { class: "sheet", hidden: true, "aria-label": `Answer: ${label}` },
    h("div", { class: "sheet-head" }, title, state),
    h("div", { class: "sheet-body stack" }, answer, trouble, facts, attempts, link),
  );
  const run = async (prompt, signal) => {
    const began = performance.now();
    let firstContent = null;
    text(title, field.value.trim());
    text(state, "asked …");
    for (const each of [answer, trouble]) text(each, "");
    show(link, false);
    for (const each of [facts, attempts]) rows(each, [], String, fact);
    show(element, true);
    let headers = new Headers();
    try {
      const told = await chat(field.value.trim(), prompt, signal, (piece) => {
        firstContent ??= performance.now() - began;
        text(state, "answering …");
        answer.append(piece);
      }, (found) => (headers = found));
      if (told) text(trouble, told);
    } catch (error) {
      text(trouble, signal.aborted ? "Stopped." : error.message);
    }
    text(state, `${firstContent === null ? "" : `first content ${wait(firstContent)}, `}ended after ${wait(performance.now() - began)}`);
    decision(headers, await record(headers.get("x-request-id")));
  };
  const decision = (headers, found) => {
    const told = [
      ["routed via", headers.get("x-routed-via") ?? "no provider"],
      ["taken as", headers.get("x-routed-as")],
      ["failed before", headers.get("x-fallback-trail")],
    ];
    if (found) {
      const usage = found.usage;
      if (usage) told.push(["tokens", `${count(usage.input + usage.cache_read)} in, ${count(usage.output)} out${usage.estimated ? " (estimated)" : ""}`]);
      if (usage) told.push(["cost", money(found.cost_usd)]);
      told.push(["mode", found.mode]);
    }
    rows(
      facts,
      told.filter(([, value]) => value !== null && value !== undefined),
      ([name]) => name,
      fact,
    );
    attribute(link, "href", headers.get("x-request-id") && pageOf({ request_id: headers.get("x-request-id") }));
    show(link, headers.has("x-request-id"));
    rows(attempts, found?.attempts ?? [], (each) => `${each.n} ${each.outcome}`, attemptLine);
  };
  return {
    choice: h("label", { class: "field" }, h("span", { text: label }), field),
    element,
    run,
    isUsed: () => title.textContent !== "",
  };
}

function attemptLine(attempt) {
  const { tone, sign, words } = outcome(attempt.outcome);
  const why = [attempt.error ? plain(attempt.error) : words, attempt.why && readable(attempt.why), attempt.message].filter(Boolean).join(" · ");
  const key = attempt.key ? ` with ${attempt.key}` : "";
  return [
    h(
      "li",
      {},
      h("span", { class: "sign", "data-tone": tone, "aria-hidden": "true", text: sign }),
      h("span", { text: `${attempt.provider}/${attempt.model}${key}: ${why}` }),
    ),
    () => {},
  ];
}

/** The record of an exchange, once it is there; undefined if the request was refused before it became one. */
async function record(id) {
  for (let tries = 0; id && tries < RECORD_TRIES; tries += 1) {
    try {
      return await read(`/api/exchanges/${encodeURIComponent(id)}`);
    } catch {
      await new Promise((done) => setTimeout(done, RECORD_PAUSE));
    }
  }
  return undefined;
}
