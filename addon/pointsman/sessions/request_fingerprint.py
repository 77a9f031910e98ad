"""The fingerprint of a request, which recognises repeats. It is computed only when needed."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Protocol

from pointsman.sessions.client_address import normalized_address
from pointsman.sessions.digests import Digests
from pointsman.wire.conversation import Conversation

RETRY_COUNT_HEADER = "x-stainless-retry-count"
"""SDKs number their own retries in it, 0 for the first request."""


class FingerprintedRequest(Protocol):
    """What a fingerprint reads of a request; the fields are those of `Caller`."""

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def credential(self) -> str | None: ...
    @property
    def client(self) -> str | None: ...
    @property
    def address(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def conversation(self) -> Callable[[], Conversation | None]: ...


class RequestFingerprint:
    """Two requests with equal digests have the same words for the same model, streamed or not."""

    def __init__(self, caller: FingerprintedRequest, digests: Digests, said: bytes | None = None) -> None:
        """`said` is the digest of all its words, where that is known."""
        self._caller = caller
        self._digests = digests
        self._said = said

    @property
    def is_declared_retry(self) -> bool:
        """The client marks the request as a retry."""
        count = self._caller.headers.get(RETRY_COUNT_HEADER, "").strip()
        return count.isascii() and count.isdigit() and count.strip("0") != ""

    @cached_property
    def digest(self) -> bytes:
        caller = self._caller
        if self._said is not None:
            return self._digests.digest("turn", caller.model, self._said)
        conversation = caller.conversation()
        if conversation is None:
            return self._digests.digest("turn", caller.model)
        said = [part for each in conversation.messages for part in (each.role, each.content)]
        return self._digests.digest("turn", caller.model, conversation.preamble, *said)

    @cached_property
    def client_id(self) -> bytes:
        """The client, for when nothing names its conversation: its name, its credential and its address."""
        caller = self._caller
        parts = (caller.client or "", caller.credential or "", normalized_address(caller.address))
        return self._digests.digest("asker", *parts, keyed=True)
