"""What llm-rosetta raises, as a client can understand it."""

import re

from pointsman.wire.json_access import text

LONGEST_WHY = 300
NEUTRAL_PLACES = (("generation.", ""), ("required_parameters", "parameters.required"))
"""Names of the library's neutral request, and what clients call them."""
WORDS = {"dict": "object", "list": "array", "str": "string", "float": "number", "int": "integer", "bool": "boolean"}


def why_not(error: BaseException) -> str:
    """Why a request cannot be converted: which members are of the wrong type, if the library has said so.

    "temperature: expected number, got string"
    """
    told = "; ".join(filter(None, map(_of_member, getattr(error.__cause__, "errors", ()))))
    cause = type(error.__cause__ or error).__name__
    return told[:LONGEST_WHY] or f"the request has a form that cannot be converted: {cause}"


def _of_member(detail: object) -> str:
    """`Expected float at 'generation.temperature', got str`, with the place first and JSON's names of types."""
    expected, _, rest = text(getattr(detail, "message", "")).partition(" at '")
    place, _, got = rest.partition("', ")
    if not place:
        return ""
    for theirs, ours in NEUTRAL_PLACES:
        place = place.replace(theirs, ours)
    kind = got.removeprefix("got ")
    is_type = kind.isidentifier()  # else it is the client's own value
    said = re.sub(r"\w+", lambda word: WORDS.get(word[0], word[0]), f"{expected}, {got}" if is_type else expected)
    return f"{place}: {said[:1].lower()}{said[1:]}"
