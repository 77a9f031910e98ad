"""Requests about what an account holds: files, and batches of requests. They name no model.

They go to one provider and are not repeated: what one account holds, no other one has. Their paths and bodies pass as
they are, with the account's key.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pointsman.wire import jsontext, query
from pointsman.wire.dialects.base import Dialect, Purpose
from pointsman.wire.endpoint_readers import BytesReader
from pointsman.wire.frames import Frame, FrameKind, Opening, Reader
from pointsman.wire.json_access import mapping
from pointsman.wire.messages import Conversation, MessageDraft
from pointsman.wire.request_body import refusal
from pointsman.wire.request_facts import HeldIds, RequestFacts
from pointsman.wire.whole_reader import WholeReader

METHODS = ("GET", "POST", "DELETE")
PROVIDER_HEADER = "x-pointsman-provider"
"""Names the provider, where several could be meant."""
FILE_ENDINGS = ("/content", "/results")
"""The last part of a path whose answer is a file."""
REFERENCES = ("input_file_id", "file_id")
"""Members of a request that name what the account holds."""

_RESULTS_URL = re.compile(rb'("results_url"\s*:\s*")https?://[^"/]+[^"]*?(/v1/messages/batches/[\w-]+/results")')


class AccountReader(WholeReader):
    """Whatever document a provider gives: its id is one that later requests may refer to."""

    def frames_of(self, document: Mapping[str, Any], body: bytes) -> Sequence[Frame]:
        self.finished = True
        self.opening = Opening(document)
        return [Frame(FrameKind.CONTENT, with_own_links(body)), Frame(FrameKind.END, b"")]


def account_dialect(chat: Dialect, collections: Sequence[str]) -> Dialect:
    """The dialect of an account's requests. `collections` are paths such as `/files`; any prefix and `/v1` may stand
    before them, and an id and a word behind them.
    """
    names = "|".join(map(re.escape, collections))
    pattern = re.compile(rf"(?:/[^?]*)?/v1((?:{names})(?:/([A-Za-z0-9_-][A-Za-z0-9._-]*))?(?:/[a-z_]+)?)")
    return replace(
        chat,
        purpose_of=lambda path: Purpose.ACCOUNT if pattern.fullmatch(path.partition("?")[0]) else None,
        facts=partial(_facts, pattern),
        outbound=lambda body, facts, model: (body, facts.action + facts.query),
        kind=None,
        count_tokens=None,
        usage_option=None,
        quirks=None,
        signed_parts=None,
        reader=_reader,
        conversation=lambda _: Conversation(b"", ()),
        answer_message=lambda _: MessageDraft("assistant"),
    )


def with_own_links(body: bytes) -> bytes:
    """A link to a batch's results leads to this router, which has the key, and not to its provider."""
    return _RESULTS_URL.sub(rb"\1\2", body) if b'"results_url"' in body else body


def _facts(pattern: re.Pattern[str], body: bytes, path: str) -> RequestFacts:
    found = pattern.fullmatch(path.partition("?")[0])
    if found is None:
        raise refusal("The path", "of files or batches", "of another form")
    document = mapping(jsontext.parsed(body)) if body.lstrip().startswith(b"{") else {}
    return RequestFacts(
        model=found[1].split("/")[1],
        stream=False,
        needs=frozenset(),
        tokens=0,
        action=found[1],
        query=query.forwarded(path),
        held=HeldIds.of(shared=(found[2], *(document.get(name) for name in REFERENCES))),
        stores_answer=True,
        kind=None,
        passes_bytes=found[1].endswith(FILE_ENDINGS),
    )


def _reader(facts: RequestFacts, content_type: str, drop_usage: bool = False, /) -> Reader:
    return BytesReader(may_be_empty=True) if facts.passes_bytes else AccountReader()
