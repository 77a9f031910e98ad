// The start of the page: login, navigation, and the end of a session.

import { Ended, login, logout, onEnd, read, whoami } from "./api.js";
import { attribute, show, text } from "./dom.js";
import { complain } from "./notices.js";
import { answered, entered, stopBanners, watchBanners } from "./banners.js";
import { Stage } from "./stage.js";
import * as analytics from "./analytics.js";
import * as clients from "./clients.js";
import { onHealth } from "./instances.js";
import * as keys from "./keys.js";
import * as models from "./models.js";
import * as now from "./now.js";
import * as playground from "./playground.js";
import * as providers from "./providers.js";
import * as requests from "./requests.js";
import * as sessions from "./sessions.js";
import * as settings from "./settings.js";
import * as start from "./start.js";
import * as unknownPage from "./unknown_page.js";

const ROOMS = { start, now, requests, models, providers, keys, clients, sessions, playground, analytics, settings };

const part = (id) => document.getElementById(id);
let stage = null;
let first = "now"; // the page without a name: `start` while nothing is configured

const ADDRESS = /^#?\/?([a-z]*)(.*)$/; // `#now`, `#/requests?status=4xx`, `#/requests/<id>`

/** The page's name in the address, the page, and what follows the name. */
function named() {
  const [, asked, rest] = ADDRESS.exec(location.hash);
  if (!asked && !rest) return [first, ROOMS[first], ""];
  return Object.hasOwn(ROOMS, asked) ? [asked, ROOMS[asked], rest] : [asked, unknownPage, asked + rest];
}

const namesRoom = () => Object.hasOwn(ROOMS, ADDRESS.exec(location.hash)[1]);

function enter(focus) {
  if (stage) stage.leave();
  else part("room").replaceChildren();
  const [name, page, rest] = named();
  for (const way of document.querySelectorAll(".ways a")) {
    attribute(way, "aria-current", way.hash === `#${name}` ? "page" : null);
  }
  entered();
  document.title = `${page.TITLE} · Pointsman`;
  const room = part("room");
  stage = new Stage(room, pulse);
  page.open(stage, rest);
  if (!focus) return;
  room.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function pulse(error) {
  if (document.hidden) return; // the answer to what was asked before: it stays paused
  answered(error);
  const sign = part("pulse");
  attribute(sign, "data-tone", error ? "bad" : "good");
  text(sign, error ? "not responding" : "live");
}

async function letIn(me) {
  const choosing = chooseFirst();
  if (namesRoom()) choosing.catch(() => {}); // it is asked for again, and what is wrong is shown then
  else await choosing;
  text(part("version"), me.version);
  attribute(part("house"), "data-opening", null);
  show(part("gate"), false);
  show(part("house"), true);
  show(part("logout"), me.by === "session");
  if (stage) stage.soon();
  else enter(false);
  watchBanners();
}

async function chooseFirst() {
  const { demo, shared } = await read("/api/overview");
  onHealth({ shared });
  first = demo ? "start" : "now";
  show(part("start-way"), demo);
}

function shutOut(words) {
  stopBanners();
  show(part("house"), false);
  show(part("gate"), true);
  text(part("gate-words"), words);
  part("admin-key").focus();
}

async function tryKey(event) {
  event.preventDefault();
  const field = part("admin-key");
  const trouble = part("gate-trouble");
  text(trouble, "");
  attribute(field, "aria-invalid", null);
  try {
    await letIn(await login(field.value));
    field.value = "";
  } catch (error) {
    attribute(field, "aria-invalid", "true");
    text(trouble, error.words ?? error.message);
    field.focus();
  }
}

async function leave() {
  try {
    await logout();
  } catch (error) {
    if (!(error instanceof Ended)) {
      complain(error.words ?? error.message);
      return;
    }
  }
  stage?.leave();
  stage = null;
  shutOut("You are logged out.");
}

async function begin() {
  part("gate-form").addEventListener("submit", tryKey);
  part("logout").addEventListener("click", leave);
  addEventListener("hashchange", () => stage && enter(true));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && stage) {
      attribute(part("pulse"), "data-tone", "idle");
      text(part("pulse"), "paused");
    }
  });
  onEnd(() => stage && shutOut("Your session ended. Log in again to continue."));
  try {
    await letIn(await whoami());
  } catch (error) {
    shutOut(error instanceof Ended ? "Log in with the admin key." : error.message);
  }
}

begin();
