// Requests to the router: JSON, with the session cookie, the CSRF token for changes, and ETags: an unchanged answer has
// no body and comes back as the same object.

const PATIENCE = 15_000; // milliseconds until a page that is read counts as not answered
const KEEP = 32; // answers kept by path, the oldest goes first
const CSRF_HEADER = "X-CSRF-Token";
const FOR_CHANGES = "application/json";

const kept = new Map();
let csrf = null;
let ended = () => {};

/** The router refused the request. `faults` lists each problem with its path. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `The router answered with status ${status}.`);
    this.status = status;
    this.faults = error?.faults ?? [];
  }

  /** All problems, one per line. */
  get words() {
    const places = this.faults.map(({ path, problem }) => (path ? `${path}: ${problem}` : problem));
    return places.length ? places.join("\n") : this.message;
  }
}

/** There is no session, or it has ended: the user must log in. */
export class Ended extends Error {}

/** The router did not answer. */
export class Unreachable extends Error {}

/** Registers the function to call when the session ends. */
export function onEnd(listen) {
  ended = listen;
}

/** Loads `path`; returns the same object as before if nothing changed. */
export async function read(path) {
  const known = kept.get(path);
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await ask(path, { headers: known ? { "If-None-Match": known.tag } : {}, signal });
  if (answer.status === 304 && known) return known.data;
  const data = await understood(answer);
  const tag = answer.headers.get("ETag");
  kept.delete(path);
  if (tag) kept.set(path, { tag, data });
  if (kept.size > KEEP) kept.delete(kept.keys().next().value);
  return data;
}

/** Sends a change; returns the router's answer, null for an empty one. */
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

/** The current login, `{ by, csrf, version }`. Raises Ended without one. */
export async function whoami() {
  return remembered(await read("/api/me"));
}

export async function logout() {
  await send("POST", "/api/logout");
  forget();
}

/** Asks a model for a streamed answer. `heard(piece)` is called with each piece of text, `opened(headers)` with the
 * answer's headers. Resolves to what went wrong, in words; undefined if nothing did. */
export async function chat(model, prompt, signal, heard, opened) {
  const headers = { "Content-Type": FOR_CHANGES, "X-Session-ID": `playground-${crypto.randomUUID()}` };
  if (csrf) headers[CSRF_HEADER] = csrf;
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] });
  const answer = await ask("/v1/chat/completions", { method: "POST", headers, body, signal });
  opened(answer.headers);
  if (!answer.ok) return (await answer.json().catch(() => null))?.error?.message ?? `The router answered with status ${answer.status}.`;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const event = told(line);
      if (event?.error) return event.error.message ?? "The stream ended with an error.";
      const piece = event?.choices?.[0]?.delta?.content;
      if (piece) heard(piece);
    }
  }
}

/** The document of a line of an event stream; undefined for every other line. */
function told(line) {
  if (!line.startsWith("data: {")) return undefined;
  try {
    return JSON.parse(line.slice(6));
  } catch {
    return undefined;
  }
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
    if (options?.signal?.aborted && error.name !== "TimeoutError") throw error;
    throw unreachable(error);
  }
}

const unreachable = (cause) => new Unreachable("The router is not responding. Is it still running?", { cause });

async function understood(answer) {
  if (answer.status === 204) return null;
  const data = await answer.json().catch((error) => {
    if (answer.ok) throw unreachable(error); // it broke off
  });
  if (!answer.ok) throw new Refused(answer.status, data?.error);
  return data;
}
