// Where lists of requests come from: the history, and while there is none, or it cannot be written, the router's memory
// of its last exchanges.

import { watchWith } from "./parameters.js";
import { outcome } from "./words.js";

const REMEMBERED = 200; // exchanges that are asked for where there is no history
const RANGE = /^([1-5])xx$/;

/** Watches the requests that `query()` asks for, as parameters of `/api/requests`. `shown({ requests, next, problem })`
 * gets each new page, with `isBehind` if the history has requests, but not the newest; `refused(error)` a parameter that
 * is wrong, null when none is. Returns `{ soon }`. */
export function watchRequests(stage, query, every, shown, refused = () => {}) {
  let memory = null; // polled while there is no history
  let exchanges = [];
  let recorded = null; // the page of the history
  const record = watchWith(
    stage,
    () => `/api/requests?${query()}`,
    every,
    (page) => {
      recorded = page;
      if (page.problem === null) {
        memory?.stop();
        memory = null;
        shown(page);
      } else if (memory) showMemory();
      else
        memory ??= stage.watch(`/api/exchanges?limit=${REMEMBERED}`, every, (told) => {
          exchanges = told.exchanges;
          showMemory();
        });
    },
    refused,
  );
  const showMemory = () => {
    const { requests, next, problem } = recorded;
    const newer = remembered(exchanges, query()).filter((row) => !requests.length || row.time > requests[0].time);
    const isFirst = !new URLSearchParams(query()).has("cursor");
    shown({ requests: [...(isFirst ? newer : []), ...requests], next, problem, isBehind: requests.length > 0 });
  };
  return {
    soon() {
      record.soon();
      if (memory) showMemory();
    },
  };
}

/** The exchanges that fit, as rows like those of `/api/requests`. */
function remembered(exchanges, query) {
  const wanted = new URLSearchParams(query);
  return exchanges.map(toRow).filter((row) => fits(row, wanted)).slice(0, Number(wanted.get("limit")));
}

/** A record of the router's memory as a row like those of `/api/requests`. */
export function toRow(record) {
  const attempts = record.attempts.filter((each) => each.outcome !== "hedge_triggered");
  const isGood = (each) => outcome(each.outcome).tone === "good";
  const decided = attempts.find(isGood) ?? attempts.at(-1);
  const since = decided ? (decided.started - record.started) * 1000 : 0;
  return {
    ...record,
    id: `memory ${record.seq ?? record.started}`,
    time: record.started + record.ended_ms / 1000,
    reason: record.error ?? (record.status === null ? "client_abort" : null),
    message: null,
    outcome: decided?.outcome ?? (record.status === null ? "client_abort" : record.error ? "refused" : "own_answer"),
    provider: decided?.provider ?? null,
    target: decided ? `${decided.provider}/${decided.model}` : null,
    attempts: attempts.length,
    trail: attempts
      .filter((each) => !isGood(each))
      .map((each) => `${each.provider}/${each.model}@${each.error ?? each.outcome}`)
      .join(" "),
    duration_ms: record.ended_ms,
    first_content_ms: record.stream && decided?.first_content_ms != null ? since + decided.first_content_ms : null,
  };
}

function fits(row, wanted) {
  const is = (name) => !wanted.get(name) || wanted.get(name) === row[name];
  const model = wanted.get("model");
  const words = (wanted.get("q") ?? "").toLowerCase();
  const all = [row.request_id, row.session, row.model, row.client, row.target, row.reason, row.outcome];
  return (
    ["provider", "client", "session", "dialect", "outcome"].every(is) &&
    (!model || [row.model, row.target, row.target?.slice(row.provider.length + 1)].includes(model)) &&
    (!words || all.some((each) => each?.toLowerCase().includes(words))) &&
    (!wanted.get("status") || wanted.get("status").split(",").some((each) => hasStatus(row.status, each))) &&
    row.time >= unix(wanted.get("since"), 0) &&
    row.time < unix(wanted.get("until"), Infinity)
  );
}

const unix = (moment, otherwise) => (moment ? Date.parse(moment) / 1000 : otherwise);

function hasStatus(status, wanted) {
  if (wanted === "none") return status === null;
  const range = RANGE.exec(wanted);
  return range ? Math.floor(status / 100) === Number(range[1]) : String(status) === wanted;
}
