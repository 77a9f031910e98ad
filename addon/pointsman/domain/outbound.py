"""The request that a provider gets."""

from dataclasses import dataclass, field

from pointsman.wire.headers import Headers


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One upstream request. The headers hold the provider's key, so none of this is ever printed."""

    url: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"
    proxy: str | None = field(default=None, repr=False)
    """The provider's own setting: `direct`, a URL that may hold a password, or None."""
