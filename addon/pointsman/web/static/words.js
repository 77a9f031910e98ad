// The router's closed sets as shown to users: tone (sets the colour), sign (the same without colour) and words. A
// name that is not listed is shown as received.

import { moment } from "./format.js";

const tone = (tone, sign, words) => ({ tone, sign, words });

const OUTCOMES = {
  request_success: tone("good", "✓", "answered"),
  retry_success: tone("good", "✓", "answered after a failure"),
  hedge_winner: tone("good", "✓", "won the race"),
  hedge_triggered: tone("idle", "…", "slow: hedge started"),
  hedge_loser_cancelled: tone("idle", "○", "lost the race, cancelled"),
  retry_failed: tone("bad", "✕", "failed"),
  client_error_non_retryable: tone("warn", "!", "refused the request"),
  client_abort: tone("idle", "–", "client left"),
  stream_stalled: tone("bad", "✕", "stream stalled"),
  stream_broken: tone("bad", "✕", "stream interrupted"),
  refused: tone("warn", "!", "refused by the router"),
  own_answer: tone("good", "✓", "answered by the router"),
  stream_continued: tone("good", "✓", "continued a broken stream"),
};

/** Of one attempt, or of a request as a whole. */
export const outcome = (name) => OUTCOMES[name] ?? tone("idle", "·", plain(name));

const STATES = {
  works: ["good", "✓"],
  worked: ["good", "✓"],
  cooling: ["warn", "…"],
  limited: ["warn", "…"],
  untried: ["idle", "·"],
  unclear: ["idle", "·"],
  disabled: ["idle", "–"],
};

/** Tone and sign of a provider's, target's or key's condition. */
export const condition = ({ state }) => STATES[state] ?? ["bad", "✕"];

const STAMP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g;

const CODE = /(?<![\w/.-])[a-z]+(?:_[a-z]+)+(?![\w/.-])/g; // and no part of a target's name

/** A sentence of the router: its times as those of the reader, and codes without underscores. */
export const readable = (words) => words.replace(CODE, plain).replace(STAMP, (stamp) => moment(Date.parse(stamp) / 1000));

/** A word of a closed set without its underscores. */
export const plain = (name) => String(name ?? "").replaceAll("_", " ");
