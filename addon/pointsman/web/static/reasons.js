// Why a request was not answered, by the code of its error: in words, and what to do about it.

import { outcome, plain } from "./words.js";

const REASONS = {
  invalid_request: ["invalid request", "Correct the member of the request that is named. The router sent nothing to a provider."],
  invalid_api_key: [
    "API key wrong or missing",
    "Give the client a key from the page Clients, or the one in server.client_key. pointsman setup writes it into a client's settings.",
  ],
  forbidden: ["not allowed", "The path needs the admin key, or a client on this machine. See server in the configuration."],
  proxy_auth_required: ["proxy password wrong or missing", "Set the user name and password of the proxy in the client."],
  not_found: ["no such path", "Check the client's base URL: it ends in /v1 for OpenAI's dialects and has no path for Anthropic's."],
  model_not_found: ["unknown model", "Use a model from the page Models, or auto, or add the model on the page Providers."],
  model_not_allowed: ["model not allowed for this client", "Allow the model on the page Clients, or use another one."],
  method_not_allowed: ["wrong method", "Check what the client sends: the path is right, its method is not."],
  conflict: ["conflict", "Something changed meanwhile. Load the page again and repeat the change."],
  upgrade_required: ["WebSocket required", "The path accepts WebSocket connections only."],
  context_too_large: [
    "conversation too long",
    "Shorten the conversation, or add a model with a larger context. The page Models shows the context of each.",
  ],
  request_too_large: ["request too large", "Send less, or raise the limit for request bodies under Settings."],
  head_too_large: ["headers too large", "The client sends too many or too long headers. Cookies are the usual cause."],
  request_timeout: ["request arrived too slowly", "The client stopped sending. Check its network, and what is between it and the router."],
  rate_limited: [
    "rate limited",
    "Wait as long as Retry-After says. If it repeats: add a key or a provider, or raise the client's limits on the page Clients.",
  ],
  budget_exhausted: ["budget exhausted", "Raise the client's budget, or wait until it is reset. The page Clients shows both."],
  stream_timeout: ["stream stalled", "The provider stopped sending. Try again; if it repeats, see the provider's status on the page Providers."],
  stream_broken: ["stream interrupted", "The provider's connection broke. Try again; if it repeats, see the provider's status on the page Providers."],
  upstream_timeout: ["no answer in time", "Every attempt took too long. Add a faster model, or raise the provider's timeouts."],
  upstream_error: ["every attempt failed", "The attempts below say why each one failed. Test the providers on the page Providers."],
  provider_auth: ["provider refused its key", "Test and replace the provider's key on the page Keys."],
  no_candidate: [
    "no usable model",
    "Every model was excluded; the reasons are below. Add a provider or a key, or end a cooldown on the page Now.",
  ],
  shutting_down: ["router was shutting down", "Try again once the router has started."],
  internal_error: ["error of the router", "This is an error in the router. The log has the details under this request id."],
  client_abort: ["client left", "The client closed the connection before the answer was complete."],
};
const OTHER =
  "The provider refused the request. What it said went to the client, and is with the attempt below unless it was long ago or before a restart.";

/** In words; null where the request was answered. */
export function reason({ reason: code }) {
  if (!code) return null;
  return REASONS[code]?.[0] ?? (/^\d+$/.test(code) ? `provider said ${code}` : plain(code));
}

/** What to do about it; null where the request was answered. */
export function remedy({ reason: code, attempts }) {
  if (!code) return null;
  return REASONS[code]?.[1] ?? (attempts ? OTHER : null);
}

/** Tone, sign and words for the end of a request on record. */
export function result(row) {
  const words = reason(row);
  if (row.status === null) return outcome("client_abort");
  const { tone, sign, words: ending } = outcome(row.outcome);
  if (words === null) return { tone, sign, words: ending };
  return tone === "good" ? { tone: "bad", sign: "✕", words } : { tone, sign, words };
}
