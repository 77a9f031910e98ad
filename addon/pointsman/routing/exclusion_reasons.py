"""Why a candidate was excluded: a closed set, the same in headers, audit, pages and logs."""

from enum import StrEnum
from typing import NamedTuple

from pointsman.domain.targets import Target


class ExclusionReason(StrEnum):
    DISABLED = "disabled"
    NOT_ALLOWED = "not_allowed"
    """The client may not use it."""
    NO_KEY = "no_key"
    DIALECT = "dialect"
    CAPABILITY = "missing_capability"
    NOT_REQUESTED = "not_requested"
    """The request names the providers that may serve it, and its own is not among them."""
    POOL = "other_pool"
    """The mode does not choose from its pool."""
    SMART_FIRST = "smart_first"
    """Never chosen automatically in this mode."""
    CONTEXT = "context_too_small"
    BUDGET = "budget"
    """Its client has no room in a budget for what an attempt may cost."""
    BANNED = "banned"
    """The session has banned its provider, or the target itself."""
    OTHER_KEY = "other_key"
    """A guarded provider is shown one key by a session, and that is another one."""
    NOT_HOLDER = "not_holder"
    """The request refers to what another account holds."""
    UNHEALTHY = "unhealthy"
    """Its provider cannot be reached."""
    COOLING = "cooling"
    """After a transient failure."""
    HALF_OPEN = "half_open"
    """Its cooldown has ended, and another request is trying it."""
    GONE = "model_gone"
    """Its provider does not have it."""
    RATE_LIMITED = "rate_limited"
    KEY_INVALID = "key_invalid"
    ACCOUNT = "account"
    """The key's account has no credit, or something else about it keeps it from being used."""
    NO_ACCESS = "no_access"
    """The key may not use this model, or not from here."""
    SKIPPED_TARGET = "skipped_target"
    """The target failed in this exchange."""
    SKIPPED_KEY = "skipped_key"
    """The key failed in this exchange."""


class Exclusion(NamedTuple):
    """One excluded candidate; `key` is None when the reason holds for the whole target. `until` is when it ends, if
    it does by itself; `is_estimate`: that is the router's own guess.
    """

    target: Target
    key: str | None
    reason: ExclusionReason
    detail: str = ""
    until: float | None = None
    is_estimate: bool = False
    holds: bool = True
    """It is not used even when nothing else is left."""

    def to_dict(self, offset: float) -> dict[str, object]:
        """In plain JSON types; `offset` is what the clock on the wall is ahead of the one that `until` is on."""
        return {
            "provider": self.target.provider.name,
            "model": self.target.model.id,
            "key": self.key,
            "reason": self.reason.value,
            "detail": self.detail or None,
            "until": None if self.until is None else self.until + offset,
        }
