"""Names in requests of Gemini's that mean something to one account: uploaded files and cached content."""

import re
from collections.abc import Iterable

from pointsman.wire.dialects.gemini.names import member
from pointsman.wire.json_access import Members, mapping, text
from pointsman.wire.request_facts import HeldIds

OWN_FILE = re.compile(r"^(https?://.*/v1(alpha|beta)?/)?files/[\w-]+")
"""In Google's store, whatever its address."""


def held_ids(request: Members, parts: Iterable[Members]) -> HeldIds:
    """`parts`: of all contents."""
    uris = [text(member(mapping(member(part, "fileData")), "fileUri")) for part in parts]
    return HeldIds.of(shared=(member(request, "cachedContent"), *filter(OWN_FILE.match, uris)))
