// Sorting a list by drag handles, with mouse, pen or touch. The buttons beside them do the same for the keyboard.

import { h, svg } from "./dom.js";

/** `sorted(ids)` is called once per drop, with the children's `data-id`s in their new order. */
export function sortable(list, sorted) {
  let held = null;
  let before = "";

  const order = () => [...list.children].map((child) => child.dataset.id);

  function grip(event) {
    const child = event.currentTarget.closest("[data-id]");
    if (event.button !== 0 || !child) return;
    event.preventDefault();
    held = child;
    before = order().join("\n");
    child.classList.add("held");
    for (const [name, listen] of during) document.addEventListener(name, listen);
  }

  function move(event) {
    if (!held) return;
    const others = [...list.children].filter((child) => child !== held);
    const below = others.find((child) => {
      const box = child.getBoundingClientRect();
      return event.clientY < box.top + box.height / 2;
    });
    if (below !== held.nextElementSibling) list.insertBefore(held, below ?? null);
  }

  function drop() {
    if (!held) return;
    for (const [name, listen] of during) document.removeEventListener(name, listen);
    held.classList.remove("held");
    held = null;
    if (order().join("\n") !== before) sorted(order());
  }

  const during = [
    ["pointermove", move],
    ["pointerup", drop],
    ["pointercancel", drop],
  ]; // listeners on a moved child would be lost

  return {
    isBusy: () => held !== null,
    handle() {
      const dots = [2, 8].flatMap((x) => [3, 8, 13].map((y) => svg("circle", { cx: x, cy: y, r: 1.4 })));
      const drawing = svg("svg", { viewBox: "0 0 10 16", "aria-hidden": "true" }, dots);
      return h("span", { class: "handle", title: "Drag to reorder", on: { pointerdown: grip } }, drawing);
    },
  };
}
