"""The paths that clients ask for: those the router has, and other spellings of them that people type.

`CLIENT_PATHS` is the one table of them. A new endpoint needs a row there for its path to be found without `/v1`, and
for a mistyped path to be told of it.
"""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import NamedTuple
from urllib.parse import unquote

MODEL = "MODEL"
"""Stands in `CLIENT_PATHS` for the name of a model, which may contain slashes."""


class ClientPath(NamedTuple):
    method: str
    path: str


CLIENT_PATHS = (
    ClientPath("POST", "/v1/chat/completions"),
    ClientPath("POST", "/v1/responses"),
    ClientPath("POST", "/v1/responses/compact"),
    ClientPath("POST", "/v1/responses/input_tokens"),
    ClientPath("POST", "/v1/messages"),
    ClientPath("POST", "/v1/messages/count_tokens"),
    ClientPath("POST", f"/v1beta/models/{MODEL}:generateContent"),
    ClientPath("POST", f"/v1beta/models/{MODEL}:streamGenerateContent"),
    ClientPath("POST", f"/v1beta/models/{MODEL}:countTokens"),
    ClientPath("POST", f"/v1beta/models/{MODEL}:embedContent"),
    ClientPath("POST", f"/v1beta/models/{MODEL}:batchEmbedContents"),
    ClientPath("POST", "/v1/embeddings"),
    ClientPath("POST", "/v1/completions"),
    ClientPath("POST", "/v1/fim/completions"),
    ClientPath("POST", "/v1/images/generations"),
    ClientPath("POST", "/v1/images/edits"),
    ClientPath("POST", "/v1/images/variations"),
    ClientPath("POST", "/v1/audio/speech"),
    ClientPath("POST", "/v1/audio/transcriptions"),
    ClientPath("POST", "/v1/audio/translations"),
    ClientPath("POST", "/v1/rerank"),
    ClientPath("POST", "/v1/moderations"),
    ClientPath("POST", "/v1/files"),
    ClientPath("POST", "/v1/uploads"),
    ClientPath("POST", "/v1/batches"),
    ClientPath("POST", "/v1/messages/batches"),
    ClientPath("GET", "/v1/models"),
    ClientPath("GET", f"/v1/models/{MODEL}"),
    ClientPath("GET", "/v1beta/models"),
    ClientPath("GET", f"/v1beta/models/{MODEL}"),
)
TAILS = frozenset(row.path.removeprefix("/v1/") for row in CLIENT_PATHS if row.path.startswith("/v1/"))
"""What may stand alone at the router's own address."""
COLLECTIONS = ("models/", "files/", "uploads/", "batches/", "messages/batches/", "responses/")
"""The same, with the name of one of them behind it."""
_EXACT = frozenset(row.path for row in CLIENT_PATHS)

_VERSION = r"/v\d\w*"
_SLASHES = re.compile(r"/{2,}")
_COLON = re.compile(r"%3A", re.IGNORECASE)
_REPEATED_VERSION = re.compile(rf"^(?:{_VERSION})+(?={_VERSION}/)")
_MODELS = re.compile(r"(?P<version>/v1(?:alpha|beta)?)(?P<tail>/models(?:/.*)?)$")
_BARE = re.compile(rf"(?P<version>{_VERSION})?(?P<vendor>/openai(?:{_VERSION})?)?/(?P<tail>[a-z].*)")
_DEPLOYMENT = re.compile(r"/openai/deployments/(?P<model>[^/]+)/(?P<tail>[a-z].*)")
_COMPATIBLE = re.compile(r"/v1(?:beta|alpha)/openai/(?P<tail>[a-z].*)|/endpoints/openapi/(?P<other>chat/completions)")
_PUBLISHED = re.compile(
    r"/publishers/(?:google/models/(?P<gemini>[^/]+:\w+)|anthropic/models/(?P<claude>[^/:]+):(?:streamR|r)awPredict)"
)
_COUNT_TOKENS = "count-tokens"
"""Where Vertex AI has the name of a model, for a question about one that the body names."""
_API_VERSION = re.compile(r"(?:^|&)api-version=[^&]*")
_NAMED_MODEL = re.compile(r"(?<=/models/)[^:]+")

MAX_COMPARED = 80
"""Characters of a path that are compared with the right ones."""
LEAST_LIKENESS = 0.7


class StandardPath(NamedTuple):
    """A path in the spelling of its dialect, with its query. `model`: the one that the path names in place of the
    body.
    """

    path: str
    model: str | None = None


def standard_path(path: str, is_own: bool = False) -> StandardPath:
    """The path that was meant. One that needs no change, or that nothing is known of, stays as it is.

    `is_own`: it was asked of the router's own address, where a path without `/v1` can mean nothing else.

    >>> standard_path("//v1/messages/")
    StandardPath(path='/v1/messages', model=None)
    >>> standard_path("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21")
    StandardPath(path='/v1/chat/completions', model='gpt-4o')
    """
    plain, mark, query = path.partition("?")
    if plain in _EXACT:
        return StandardPath(path)
    tidy = tidied(plain)
    if "/openai/" in tidy:
        query = _API_VERSION.sub("", query).removeprefix("&")
        mark = "?" if query else ""
    meant = _of_cloud(tidy) or StandardPath(_with_version(tidy) if is_own else tidy)
    return meant._replace(path=f"{meant.path}{mark}{query}")


def tidied(path: str) -> str:
    """A path without repeated or trailing slashes, repeated versions and escaped colons."""
    path = _COLON.sub(":", _SLASHES.sub("/", path)) if "//" in path or "%3" in path else path
    if len(path) > 1:
        path = path.removesuffix("/")
    return _REPEATED_VERSION.sub("", path)


def _of_cloud(path: str) -> StandardPath | None:
    """Paths of Azure, Vertex AI and Google's OpenAI-compatible API, after any prefix."""
    if found := _DEPLOYMENT.search(path):
        return StandardPath(f"/v1/{found['tail']}", unquote(found["model"]))
    if found := _COMPATIBLE.search(path):
        return StandardPath(f"/v1/{found['tail'] or found['other']}")
    found = _PUBLISHED.search(path)
    if found is None or found.end() != len(path):
        return None
    if found["gemini"]:
        return StandardPath(f"/v1beta/models/{found['gemini']}")
    if found["claude"] == _COUNT_TOKENS:
        return StandardPath("/v1/messages/count_tokens")
    return StandardPath("/v1/messages", unquote(found["claude"]))


def _with_version(path: str) -> str:
    """With `/v1` in place of no version, or another one; models also after any prefix."""
    if found := _MODELS.search(path):
        return f"{'/v1' if found['version'] == '/v1' else '/v1beta'}{found['tail']}"
    found = _BARE.fullmatch(path)
    is_known = found is not None and (found["tail"] in TAILS or found["tail"].startswith(COLLECTIONS))
    return f"/v1/{found['tail']}" if found and is_known else path


def nearest_path(path: str, others: Iterable[ClientPath] = ()) -> ClientPath | None:
    """The row of `CLIENT_PATHS`, or of `others`, that a wrong path is most like; None where it is like none of them."""
    asked = _NAMED_MODEL.sub(MODEL, tidied(path[:MAX_COMPARED])).lower()
    rows = (*CLIENT_PATHS, *others)
    likeness, best = max(((_likeness(asked, row.path.lower()), row) for row in rows), key=lambda each: each[0])
    return best if likeness >= LEAST_LIKENESS else None


def _likeness(asked: str, right: str) -> float:
    """From 0 to 1. Segments in front may be too many or too few, and those at the end too few."""
    if right.startswith(f"{asked}/") and asked.count("/") > 1:
        return 0.9
    longer, shorter = asked.split("/"), right.split("/")
    endings = {asked, "/".join(["", *longer[1 - len(shorter) :]]), "/v1" + asked}
    return max(_ratio(ending, right) for ending in endings)


def _ratio(asked: str, right: str) -> float:
    """The cheap bound spares most comparisons: any client may ask for wrong paths."""
    match = SequenceMatcher(None, asked, right, autojunk=False)
    return match.ratio() if min(match.real_quick_ratio(), match.quick_ratio()) >= LEAST_LIKENESS else 0.0
