"""Clients and providers of each dialect, as plain as can be: what they send, and how they read what they get."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pointsman.config.enums import Dialect
from support.conversations import Answer, Asked, Call, Result, Said
from support.parties import anthropic, chat, gemini, responses


class Party(Protocol):
    """What a module of this package has."""

    def request(self, items: Sequence[Any], stream: bool) -> tuple[str, dict[str, Any]]:
        """The client's request: its path, and its body with these items as the conversation."""

    def question(self, text: str) -> list[Any]:
        """The items of what a user says."""

    def results(self, calls: Sequence[Call], results: Sequence[Result]) -> list[Any]:
        """The items of the results of these calls, as the client received them."""

    def asked(self, body: Mapping[str, Any]) -> Asked:
        """What a provider reads in a body. Raises AssertionError where the dialect's rules are broken."""

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The provider's answer in one document."""

    def events(self, answer: Answer) -> list[dict[str, Any]]:
        """The documents of the provider's streamed answer."""

    def read_whole(self, document: Mapping[str, Any]) -> Said:
        """What the client reads in an answer."""

    def read_stream(self, documents: Sequence[Mapping[str, Any]]) -> Said:
        """What the client reads in the documents of a stream. Raises AssertionError if they contradict each other."""


PARTIES: Mapping[Dialect, Party] = {
    Dialect.OPENAI_CHAT: chat,
    Dialect.OPENAI_RESPONSES: responses,
    Dialect.ANTHROPIC: anthropic,
    Dialect.GEMINI: gemini,
}
