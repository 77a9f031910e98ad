"""Errors in bodies: what a provider means when it reports a failure, under an error status or wrapped in a 200.

Only structured error fields are read, never a model's own words: an answer about rate limits is still an answer. The
shapes that providers wrap their errors in stand in `SHAPES`, what their words mean in `WORDS_OF_STATUS` and
`STATUS_OF_WORDING`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from html import unescape
from itertools import islice
from typing import Any

from pointsman.wire.error_text import without_names
from pointsman.wire.error_waits import MAX_MEMBERS, StatedWait, is_wait_member, wait_in_error, wait_in_text
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.quoted_errors import document_of, quoted_document

MESSAGE_LIMIT = 1000
TEXT_LIMIT = 200
"""Characters of a page or plain text that make a message."""

type Error = Mapping[str, Any]
"""The members that speak of the failure, freed from their wrapping."""

ANSWER_MEMBERS = frozenset(
    {"candidates", "choices", "completion", "content", "data", "delta", "generations", "output", "response", "text"}
)
"""With one of these at its root, a document is (part of) an answer, whatever its `code` or `message` may be."""

NUMBER_MEMBERS = ("code", "status", "status_code", "statusCode")
WORD_MEMBERS = ("code", "status", "type")
MESSAGE_MEMBERS = (
    "message", "Message", "msg", "error_message", "errorMessage", "error_msg", "faultstring", "detail",
    "error_description", "title",
)  # fmt: skip
PHRASES = frozenset(
    {
        "bad gateway", "bad request", "error", "forbidden", "gateway timeout", "internal server error", "not found",
        "payment required", "service unavailable", "too many requests", "unauthorized", "unprocessable content",
        "unprocessable entity",
    }
)  # fmt: skip
"""Messages that say no more than a status; another member may say why."""
CODE_MEMBERS = ("code", "type", "status", "reason", "error_type", "error_code", "__type", "quotaId", "quotaMetric")
INNER_MEMBERS = ("error", "upstream_error", "provider_error", "original_error", "detail", "response", "fault")
"""Where gateways keep the error of the provider behind them, and some makers their own."""
PART_MEMBERS = ("details", "violations", "innererror", "metadata", "error", "upstream_error", "detail")
MAX_CODES, MAX_CODE, MAX_DEPTH = 32, 100, 3
DETAIL_MEMBERS = ("details", "metadata")

UNKNOWN = 502

WORDS_OF_STATUS = {
    400: """invalid_request_error invalid_request bad_request bad_request_error invalid_argument failed_precondition
        out_of_range invalid_parameter unsupported_parameter unsupported_value validation_error
        content_policy_violation""",
    401: """invalid_api_key authentication_error authentication_failed unauthenticated unauthorized unauthorized_error
        incorrect_api_key""",
    402: "payment_required billing_error insufficient_balance insufficient_credits",
    403: "permission_denied permission_denied_error permission_error forbidden access_denied",
    404: "model_not_found not_found not_found_error",
    413: "context_length_exceeded context_window_exceeded request_too_large payload_too_large",
    422: "unprocessable_entity unprocessable_entity_error",
    429: """rate_limit_exceeded rate_limit_error rate_limit rate_limited rate_limit_reached too_many_requests
        insufficient_quota quota_exceeded resource_exhausted throttling throttling_exception""",
    500: "server_error internal internal_error internal_server_error api_error",
    502: "bad_gateway upstream_error provider_error",
    503: "overloaded_error overloaded engine_overloaded unavailable service_unavailable service_unavailable_error",
    504: "deadline_exceeded timeout timeout_error gateway_timeout",
}


def _squeeze(word: str) -> str:
    """One spelling for `RateLimitError`, `rate-limit-error` and `RATE_LIMIT_ERROR`."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


STATUS_OF_WORD = {_squeeze(word): status for status, words in WORDS_OF_STATUS.items() for word in words.split()}

STATUS_OF_WORDING = (
    (429, ("rate limit", "rate-limit", "ratelimit", "too many requests", "quota", "resource has been exhausted")),
    (413, ("context length", "context window", "maximum context", "prompt is too long")),
    (401, ("invalid api key", "incorrect api key", "api key not valid", "unauthorized", "authentication")),
    (403, ("permission denied", "forbidden", "access denied")),
    (404, ("model not found", "does not exist", "unknown model", "no such model")),
    (400, ("invalid params", "invalid parameter")),
    (503, ("overloaded", "over capacity", "unavailable", "is currently loading")),
    (504, ("timed out", "timeout")),
    (500, ("internal server error", "internal error")),
)
"""What a message means when nothing else says it; the first row that fits counts."""


def wrapped_fault(document: object) -> Fault | None:
    """The failure that a document under a success status reports; None when it reports none."""
    error = _unwrap(document)
    if error is None:
        return None
    status = _status(error) or UNKNOWN
    wait = _wait(error)
    return Fault(
        FaultKind.WRAPPED,
        _message(error),
        status,
        _code(error),
        wait.seconds,
        retry_at=wait.moments,
        codes=_codes(error),
        upstream=_upstream_message(error),
    )


def declared_fault(document: object) -> Fault:
    """The failure of a document that declares itself to be one, however little it says."""
    return wrapped_fault(document) or Fault(FaultKind.WRAPPED, status=UNKNOWN)


def error_fault(status: int, body: bytes, content_type: str) -> Fault:
    """The failure that an answer with an error status reports. Never raises."""
    document = document_of(body)
    error = _first_of_errors(document) or _unwrap(document) or (document if isinstance(document, Mapping) else {})
    message = _message(error)
    shown = message or _text(body)
    wait = _wait(error) if error else _wait_in_plain_text(body, shown)
    return Fault(
        FaultKind.STATUS,
        shown,
        status,
        _code(error),
        wait.seconds,
        body,
        content_type,
        structured=bool(message),
        retry_at=wait.moments,
        codes=_codes(error),
        upstream=_upstream_message(error),
    )


def _unwrap(document: object) -> Error | None:
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, Mapping):
        return None
    return next((error for shape in SHAPES if (error := shape(document))), None)


def _error_member(document: Error) -> Error | None:
    """OpenAI, Anthropic, Google and most others: `{"error": {…}}`; or `{"error": "…"}`, with more beside it."""
    error = document.get("error")
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, Mapping) and error:
        return {**_beside(document), **error}
    if isinstance(error, str) and error.strip():
        return {"message": error, **_beside(document), "type": error}
    return None


def _beside(document: Error) -> Error:
    waits = filter(is_wait_member, islice(document, MAX_MEMBERS))
    members = (*NUMBER_MEMBERS, *MESSAGE_MEMBERS, *DETAIL_MEMBERS, *waits)
    return {member: document[member] for member in members if document.get(member) is not None}


def _choice_error(document: Error) -> Error | None:
    """Aggregators: the failure of the provider behind them, in the choice it should have filled."""
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return _error_member({"error": choice.get("error")}) if isinstance(choice, Mapping) else None


def _success_false(document: Error) -> Error | None:
    """Cloudflare: `{"success": false, "errors": [{"code", "message"}]}`."""
    errors = document.get("errors")
    if document.get("success") is not False or not isinstance(errors, list) or not errors:
        return None
    return errors[0] if isinstance(errors[0], Mapping) else {"message": errors[0]}


def _first_of_errors(document: object) -> Error | None:
    """watsonx and others: `{"errors": [{"code", "message"}]}`, which only an error status tells from an answer."""
    errors = document.get("errors") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(errors, list) or not errors:
        return None
    first, beside = errors[0], _beside(document)
    if isinstance(first, str):
        return {"message": first, **beside}
    return {**beside, **first} if isinstance(first, Mapping) else None


def _base_resp(document: Error) -> Error | None:
    """MiniMax: `{"base_resp": {"status_code", "status_msg"}}` beside the members of an answer; 0 is success."""
    told = document.get("base_resp")
    if not isinstance(told, Mapping) or not told.get("status_code"):
        return None
    return {"message": told.get("status_msg"), "code": told["status_code"]}


def _bare(document: Error) -> Error | None:
    """Cohere and others: the root itself is the error, which only shows in that it is nothing else."""
    if any(document.get(member) is not None for member in ANSWER_MEMBERS):
        return None
    message = document.get("message")
    if isinstance(message, str) and message.strip():
        return document
    return document if _status_of_code({member: document.get(member) for member in NUMBER_MEMBERS}) else None


SHAPES: tuple[Callable[[Error], Error | None], ...] = (_error_member, _choice_error, _success_false, _base_resp, _bare)


def _status(error: Error) -> int | None:
    found = (_status_of_code(each) or _status_of_wording(_own_message(each)) for each in (error, *_inner_errors(error)))
    return next(filter(None, found), None)


def _status_of_code(error: Error) -> int | None:
    """A number says more than a word, and a code more than a type."""
    for member in NUMBER_MEMBERS:
        if re.fullmatch(r"[45]\d\d", _plain(error.get(member))):
            return int(error[member])
    return next((STATUS_OF_WORD[word] for word in map(_squeeze, _words(error)) if word in STATUS_OF_WORD), None)


def _status_of_wording(message: str) -> int | None:
    said = without_names(message.lower())
    return next((status for status, wordings in STATUS_OF_WORDING if any(w in said for w in wordings)), None)


def _words(error: Error) -> Iterator[str]:
    for member in WORD_MEMBERS:
        value = error.get(member)
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w.-]{,63}", value):
            yield value


def _code(error: Error) -> str:
    """The word that names the failure, else the number in its place."""
    return next(_words(error), _plain(error.get("code")))[:64]


def _codes(error: Error) -> tuple[str, ...]:
    """Every word and number that names the failure: its own, those in its details, those of a provider behind it."""
    values = (_plain(part.get(member)) for part in _parts(error, 0) for member in CODE_MEMBERS)
    return tuple(dict.fromkeys(value for value in values if re.fullmatch(rf"\S{{1,{MAX_CODE}}}", value)))[:MAX_CODES]


def _upstream_message(error: Error) -> str:
    """Of the innermost error that has one, where gateways stand behind each other."""
    return next(filter(None, reversed([_own_message(inner) for inner in _inner_errors(error)])), "")


def _wait(error: Error) -> StatedWait:
    waits = map(wait_in_error, (error, *_inner_errors(error)))
    return next((wait for wait in waits if wait != StatedWait()), StatedWait())


def _inner_errors(error: Error) -> Iterator[Error]:
    for _ in range(MAX_DEPTH):
        inner = _inner_error(error)
        if inner is None:
            return
        yield inner
        error = inner


def _parts(error: Error, depth: int) -> Iterator[Error]:
    """The error and what it holds that may name the failure."""
    yield error
    if depth == MAX_DEPTH:
        return
    for member in PART_MEMBERS:
        value = error.get(member)
        for part in value[:MAX_CODES] if isinstance(value, list) else [value]:
            if isinstance(part, Mapping):
                yield from _parts(part, depth + 1)
    if inner := _inner_error(error):
        yield from _parts(inner, depth + 1)


def _inner_error(error: Error, depth: int = 0) -> Error | None:
    """What the provider behind a gateway has said: an object in one of its members, or a document in a text."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    texts = (raw, *(error.get(member) for member in MESSAGE_MEMBERS))
    for text in texts:
        document = quoted_document(text) if isinstance(text, str) else None
        if document and (inner := _unwrap(document)):
            return inner
    for member in INNER_MEMBERS if depth < MAX_DEPTH else ():
        value = error.get(member)
        if isinstance(value, Mapping) and (_own_message(value) or _inner_error(value, depth + 1)):
            return value
    return {"message": raw} if isinstance(raw, str) and not quoted_document(raw) else None


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _message(error: Error) -> str:
    """Its own, or that of the error in it."""
    if own := _own_message(error):
        return own
    inner = _inner_error(error)
    return _message(inner) if inner else ""


def _own_message(error: Error) -> str:
    """The first that says more than a status."""
    messages = [*_messages(error)]
    return next((each for each in messages if each.strip(".!").lower() not in PHRASES), next(iter(messages), ""))


def _messages(error: Error) -> Iterator[str]:
    for member in MESSAGE_MEMBERS:
        value = error.get(member)
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            value = value[0].get("msg")  # FastAPI: one entry per member at fault
        if isinstance(value, str) and value.strip():
            yield value.strip()[:MESSAGE_LIMIT]


def _wait_in_plain_text(body: bytes, shown: str) -> StatedWait:
    """A page is not believed, a line of text is."""
    return StatedWait() if body.lstrip()[:1] in b"<{[" else wait_in_text(shown)


def _text(body: bytes) -> str:
    """What a person would read of a page, or of plain text."""
    page = body[:16_384].decode("utf-8", "replace")
    page = re.sub(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)", " ", page)
    page = unescape(re.sub(r"(?s)<!--.*?(?:-->|\Z)|<[^<>]*>", " ", page))
    return " ".join(page.split())[:TEXT_LIMIT]
