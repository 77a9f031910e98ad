// Ending a cooldown or a ban early.

/** Ends a cooldown: a target's, or with `key` a key's, as a whole or for one model. */
export function endCooldown(stage, { provider, model, key }) {
  const named = { provider, model, key };
  return stage.change("DELETE", `/api/cooldowns?${query(named)}`, undefined, `${provider} can be used again.`);
}

/** Ends a session's ban on a provider, or with `model` on a target. */
export function unban(stage, { session, provider, model }) {
  const words = `The session can use ${provider} again.`;
  return stage.change("DELETE", `/api/bans?${query({ session, provider, model })}`, undefined, words);
}

function query(members) {
  const named = Object.entries(members).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(named).toString();
}
