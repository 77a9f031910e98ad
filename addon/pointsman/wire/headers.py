"""Which headers cross, in both directions. Names are compared in lower case; what no list names stays behind."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from pointsman.config.header_names import holds_secret as holds_secret

type Headers = tuple[tuple[str, str], ...]

TO_PROVIDER = frozenset({"content-type", "accept", "user-agent"})
TO_PROVIDER_PREFIXES = ("x-stainless-", "anthropic-", "openai-")
TO_CLIENT = frozenset({"retry-after"})
TO_CLIENT_PREFIXES = ("openai-", "anthropic-")
REQUEST_IDS = ("x-request-id", "request-id", "x-goog-request-id", "cf-ray")
"""Where providers put their own request id, the first one present counts."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+ *")
_CONTROL_BYTE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SAFE_TYPES = frozenset({"application/json", "text/event-stream", "text/plain", "application/x-ndjson"})
_LINES_OF_JSON = frozenset({"application/jsonl", "application/x-jsonl", "application/binary"})
_IS_WELL_FORMED = re.compile(r"[\w.+-]+/[\w.+-]+(?: *; *charset=\"?[\w.+-]+\"?)? *", re.ASCII)


def to_provider(headers: Iterable[tuple[str, str]]) -> Headers:
    """The client's headers that a provider may see."""
    return tuple(
        (name, one_line(value)) for name, value in headers if _crosses(name.lower(), TO_PROVIDER, TO_PROVIDER_PREFIXES)
    )


def completed(headers: Headers, needed: Headers) -> Headers:
    """`headers`, plus those of `needed` whose names are missing."""
    given = {name.lower() for name, _ in headers}
    return (*headers, *((name, value) for name, value in needed if name.lower() not in given))


def with_own(headers: Headers, own: Mapping[str, str]) -> Headers:
    """`headers`, with those of `own` in place of the ones of the same names."""
    if not own:
        return headers
    names = {name.lower() for name in own}
    return (*(header for header in headers if header[0].lower() not in names), *own.items())


def to_client(headers: Mapping[str, str]) -> Headers:
    """A provider's headers (names in lower case) that the client may see. The content type is not for here to say: a
    stream has always the same.
    """
    kept = [(name, one_line(value)) for name, value in headers.items() if _crosses(name, TO_CLIENT, TO_CLIENT_PREFIXES)]
    request_id = next((headers[name] for name in REQUEST_IDS if name in headers), None)
    if request_id:
        kept.append(("X-Provider-Request-ID", one_line(request_id)))
    return tuple(kept)


@lru_cache(maxsize=1024)  # the same few names in every message
def _crosses(name: str, names: frozenset[str], prefixes: tuple[str, ...]) -> bool:
    is_known = name in names or (name.startswith(prefixes) and _TOKEN.fullmatch(name) is not None)
    return is_known and not holds_secret(name)


def one_line(value: str) -> str:
    """Values that were folded, or hold what no value may, are said in one line."""
    return _CONTROLS.sub(" ", value).strip()


def is_one_line(value: bytes) -> bool:
    """Nothing in it has to be removed for that, blanks at its ends apart."""
    return _CONTROL_BYTE.search(value) is None


def safe_media_type(content_type: str) -> str:
    """The content type for a file: sound stays what it is, and whatever a browser might run or show is a download."""
    media = content_type.partition(";")[0].strip().lower()
    is_safe = media in _SAFE_TYPES | _LINES_OF_JSON or media.startswith(("audio/", "video/"))
    return content_type if is_safe and _IS_WELL_FORMED.fullmatch(content_type) else "application/octet-stream"


def safe_type(content_type: str, is_json: bool) -> str:
    """The content type for a provider's body: never one that a browser runs or shows as a page. `is_json`: the body is
    JSON, whatever its provider calls it.
    """
    media = content_type.partition(";")[0].strip().lower()
    if _IS_WELL_FORMED.fullmatch(content_type) and (media in _SAFE_TYPES or media.endswith("+json")):
        return content_type
    return "application/json" if is_json else "text/plain; charset=utf-8"
