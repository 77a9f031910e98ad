// What the router's closed sets mean, for people: tone (which sets the colour), sign (which says the same without
// colour) and words. A word that is not here is shown as it came.

const tone = (tone, sign, words) => ({ tone, sign, words });

const OUTCOMES = {
  request_success: tone("good", "✓", "answered"),
  retry_success: tone("good", "✓", "answered after a failure"),
  hedge_winner: tone("good", "✓", "won the race"),
  hedge_triggered: tone("idle", "…", "slow: another attempt was started"),
  hedge_loser_cancelled: tone("idle", "○", "lost the race, cancelled"),
  retry_failed: tone("bad", "✕", "failed"),
  client_error_non_retryable: tone("warn", "!", "refused the request"),
  client_abort: tone("idle", "–", "client left"),
  stream_stalled: tone("bad", "✕", "stream stalled"),
  stream_broken: tone("bad", "✕", "stream interrupted"),
};

/** Of one attempt. */
export const outcome = (name) => OUTCOMES[name] ?? tone("idle", "·", plain(name));

const SEEN = new Set(["stream_stalled", "stream_broken", "client_error_non_retryable"]);

/** How an exchange ended, from its record. */
export function ending(record) {
  const names = (record.attempts ?? []).map((each) => each.outcome);
  const seen = names.find((name) => OUTCOMES[name]?.tone === "good") ?? names.find((name) => SEEN.has(name));
  if (seen) return outcome(seen);
  if (record.status === null || names.includes("client_abort")) return outcome("client_abort");
  return tone("bad", "✕", record.error ? plain(record.error) : "failed");
}

const HEALTH = { healthy: ["good", "✓"], busy: ["warn", "…"], unhealthy: ["bad", "✕"], disabled: ["idle", "–"] };

/** Tone and sign of how a provider or a target is. */
export const health = (status) => HEALTH[status] ?? ["idle", "·"];

/** A word of a closed set without its underscores. */
export const plain = (name) => String(name ?? "").replaceAll("_", " ");
