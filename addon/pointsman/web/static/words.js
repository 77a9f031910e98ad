// The router's closed sets as shown to users: tone (sets the colour), sign (the same without colour) and words. A
// name that is not listed is shown as received.

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
  stream_continued: tone("good", "✓", "went on with a broken stream"),
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

/** A word of a closed set without its underscores. */
export const plain = (name) => String(name ?? "").replaceAll("_", " ");
