// Building and patching the page. Data becomes text, never markup; existing elements are changed in place, so that
// focus, open panels and the scroll position are kept.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `props`: `class`, `text`, `on` (listeners by event), `place` (CSS properties), anything else an
 * attribute; attributes that are null, undefined or false are left out. */
export function h(tag, props = {}, ...children) {
  return dress(document.createElement(tag), props, children);
}

/** The same for a drawing. */
export function svg(tag, props = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), props, children);
}

function dress(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") element.textContent = value;
    else if (name === "on")
      for (const [event, listen] of Object.entries(value)) element.addEventListener(event, listen);
    else if (name === "place") place(element, value);
    else attribute(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets CSS properties, which the page's policy allows here and nowhere in markup. */
export function place(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
  }
}

/** Sets an attribute if it differs; null, undefined and false remove it, true leaves it empty. */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const wanted = value === true ? "" : String(value);
  if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
}

/** Sets an element's text if it differs, so that a selection in it survives. */
export function text(element, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

const KEYED = new WeakMap();

/** Makes `parent` hold one child for each item, in order. Children are known by `key(item)`: those that stay are
 * updated and not moved unless the order changed, those that went are removed. `make(item)` returns an element and
 * the function that updates it: `[element, update]`. */
export function rows(parent, items, key, make) {
  const before = KEYED.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const id = key(item);
    if (after.has(id)) continue; // the same id twice: the first one is the newest
    const row = before.get(id) ?? make(item);
    after.set(id, row);
    row[1](item);
  }
  const focused = [...before].findIndex(([id, [element]]) => !after.has(id) && element.contains(document.activeElement));
  for (const [id, [element]] of before) if (!after.has(id)) element.remove();
  KEYED.set(parent, after);
  arrange(
    parent,
    [...after.values()].map(([element]) => element),
  );
  if (focused >= 0) focusNear(parent, focused);
}

/** The row that had the focus is gone: the one in its place has it next, so that a keyboard goes on from there. */
function focusNear(parent, place) {
  const next = parent.children[Math.min(place, parent.children.length - 1)];
  const control = next?.querySelector("button, a[href], input, select") ?? document.getElementById("room");
  control?.focus({ preventScroll: true });
}

function arrange(parent, wanted) {
  const focused = document.activeElement;
  let here = parent.firstElementChild;
  for (const element of wanted) {
    if (element === here) here = here.nextElementSibling;
    else parent.insertBefore(element, here);
  }
  const wasMoved = focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused);
  if (wasMoved) focused.focus({ preventScroll: true }); // a moved element loses it
}

/** Shows or hides; hidden elements cannot be reached by keyboard either. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

let counted = 0;

/** An id that nothing else on the page has. */
export function fresh(prefix) {
  counted += 1;
  return `${prefix}-${counted}`;
}
