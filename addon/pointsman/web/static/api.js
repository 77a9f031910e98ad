// Talking to the router: JSON, with the session's cookie, the token that changes need, and ETags, so that an answer
// that has not changed costs nothing and comes back as the very same object.

const KEEP = 32; // answers kept by path, the oldest goes first
const CSRF_HEADER = "X-CSRF-Token";
const FOR_CHANGES = "application/json";

const kept = new Map();
let csrf = null;
let ended = () => {};

/** The router refused what was asked. `faults` are the single things that are wrong, each with its place. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The router answered with status ${status}.`);
    this.status = status;
    this.faults = error?.faults ?? [];
  }

  /** Everything that is wrong, a line each. */
  get words() {
    const places = this.faults.map(({ path, problem }) => (path ? `${path}: ${problem}` : problem));
    return places.length ? places.join("\n") : this.message;
  }
}

/** The session is over, or there never was one: someone has to log in. */
export class Ended extends Error {}

/** Nobody answered at all. */
export class Unreachable extends Error {}

/** What to do when the router says that the session ended. */
export function onEnd(listen) {
  ended = listen;
}

/** What the router has at `path`: the same object as before if nothing changed. */
export async function read(path) {
  const known = kept.get(path);
  const answer = await ask(path, { headers: known ? { "If-None-Match": known.tag } : {} });
  if (answer.status === 304 && known) return known.data;
  const data = await understood(answer);
  const tag = answer.headers.get("ETag");
  kept.delete(path);
  if (tag) kept.set(path, { tag, data });
  if (kept.size > KEEP) kept.delete(kept.keys().next().value);
  return data;
}

/** Asks for a change; gives what the router answers, null for nothing. */
export async function send(method, path, body) {
  const headers = { "Content-Type": FOR_CHANGES };
  if (csrf) headers[CSRF_HEADER] = csrf;
  const answer = await ask(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  return understood(answer);
}

/** Begins a session. Raises Refused if the key is wrong. */
export async function login(key) {
  const headers = { "Content-Type": FOR_CHANGES };
  const answer = await fetched("/api/login", { method: "POST", headers, body: JSON.stringify({ admin_key: key }) });
  return remembered(await understood(answer));
}

/** Who is logged in. Raises Ended if nobody is. */
export async function whoami() {
  return remembered(await read("/api/me"));
}

export async function logout() {
  await send("POST", "/api/logout");
  forget();
}

function remembered(me) {
  csrf = me.csrf;
  return me;
}

function forget() {
  csrf = null;
  kept.clear();
}

async function ask(path, options) {
  const answer = await fetched(path, options);
  if (answer.status !== 401) return answer;
  forget();
  ended();
  throw new Ended("The session ended.");
}

async function fetched(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", cache: "no-store", redirect: "error", ...options });
  } catch (error) {
    throw new Unreachable("The router is not responding. Is it still running?", { cause: error });
  }
}

async function understood(answer) {
  if (answer.status === 204) return null;
  const data = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, data?.error);
  return data;
}
