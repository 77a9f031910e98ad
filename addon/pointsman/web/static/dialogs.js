// Modal dialogs that ask before an action. The browser keeps the focus inside and restores it afterwards.

import { fresh, h } from "./dom.js";

/** Resolves to true if the user confirms, else to undefined. */
export function confirmed(question, explanation, agree) {
  const title = fresh("dialog");
  return asked(
    title,
    [h("h2", { id: title, text: question }), h("p", { class: "soft", text: explanation })],
    agree,
    () => true,
  );
}

/** Resolves to the line that was typed, trimmed, or undefined on cancel. */
export function written(question, label, value, agree) {
  const title = fresh("dialog");
  const input = h("input", {
    class: "input",
    type: "text",
    value,
    maxlength: 200,
    required: true,
    autocomplete: "off",
  });
  const content = [
    h("h2", { id: title, text: question }),
    h("label", { class: "field" }, h("span", { text: label }), input),
  ];
  return asked(title, content, agree, () => input.value.trim());
}

/** Shows something until it is closed. */
export function shown(heading, ...content) {
  const title = fresh("dialog");
  const close = h("button", { class: "button main", type: "button", text: "Close", on: { click: () => dialog.close() } });
  const body = h("div", { class: "dialog-body" }, h("h2", { id: title, text: heading }), ...content, h("div", { class: "buttons" }, close));
  const dialog = h("dialog", { class: "wide", "aria-labelledby": title }, body);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function asked(title, content, agree, answer) {
  const cancel = h("button", { class: "button", type: "button", text: "Cancel", on: { click: () => dialog.close() } });
  const buttons = h(
    "div",
    { class: "buttons" },
    cancel,
    h("button", { class: "button main", type: "submit", text: agree }),
  );
  const form = h("form", { method: "dialog" }, ...content, buttons);
  const dialog = h("dialog", { "aria-labelledby": title }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let given;
    form.addEventListener("submit", (event) => {
      event.preventDefault(); // the content security policy forbids form submission
      given = answer();
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(given);
    });
    dialog.showModal();
  });
}
