"""Keywords of JSON Schema that a provider refuses: what its message names, and requests made without them.

>>> named_in("Invalid schema for function 'f': 'pattern' is not permitted")
('pattern',)
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pointsman.wire.conversion.schemas import described, has_keyword
from pointsman.wire.json_access import Document, Members, dicts, mapping

KEYWORDS = (
    "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "patternProperties", "propertyNames",
    "dependentRequired", "dependentSchemas", "dependencies", "additionalItems", "prefixItems", "exclusiveMinimum",
    "exclusiveMaximum", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
    "minContains", "maxContains", "minProperties", "maxProperties", "uniqueItems", "contains", "pattern", "format",
    "const", "enum", "default", "examples", "example", "title", "anyOf", "oneOf", "allOf", "not", "if", "then", "else",
    "nullable", "readOnly", "writeOnly", "deprecated", "discriminator", "contentEncoding", "contentMediaType",
    "$schema", "$id", "$anchor", "$comment",
)  # fmt: skip
"""Those that may go: a schema without them says less, but nothing else. Types, properties and references stay."""
KEYWORD = "(" + "|".join(re.escape(each) for each in KEYWORDS) + ")"
QUOTE = r"(?:\\?['\"`])"
QUOTED = f"{QUOTE}{KEYWORD}{QUOTE}"
MAYBE_QUOTED = rf"{QUOTE}?{KEYWORD}(?![\w-]){QUOTE}?"
NOUN = r"(?:keyword|property|properties|field|attribute|parameter|argument|key|name)s?"
NOT = r"(?:(?:(?:is|are|was|were|do|does)(?: not|n't)|not)(?: yet| currently)?|(?:should|must|can)(?: not|not|n't) be)"
PERMITTED = (
    rf"(?:support|permit|allow|accept|expect|recogni[sz]|known|available|implement|set|used|specified|a valid {NOUN})"
)
UNKNOWN = r"(?:un(?:known|supported|expected|recogni[sz]ed)|disallowed|forbidden|prohibited)"
REFUSED = rf"(?:{NOT} {PERMITTED}|(?:(?:is|are) )?{UNKNOWN})"
NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        f"{QUOTED} (?:{NOUN} )?{REFUSED}",
        rf"(?<![\w.'\"`$-]){KEYWORD} (?:{NOUN} )?{REFUSED}",
        rf"(?i:{UNKNOWN}|{NOT} {PERMITTED}\w*)(?: the)?(?: JSON)?(?: [sS]chema)?(?: {NOUN})?:? {MAYBE_QUOTED}",
        rf"(?i:{UNKNOWN}) {NOUN}:? {QUOTE}[\w.\[\]]*\.{KEYWORD}{QUOTE}",
        rf"\.{KEYWORD}: (?:Extra|Unknown|Unexpected|Unsupported|Not )",
        rf"{QUOTED}\s*\],[^\]}}]*{QUOTE}msg{QUOTE}:\s*{QUOTE}(?:Extra|Unknown|Unexpected)",
        r"\.(format): only ",
    )
)
"""How messages say that a keyword is refused. A property may be called like a keyword, so a mention is not enough."""
FURTHER = re.compile(rf"(?:, (?:or |and )?| or | and |/){MAYBE_QUOTED}")
OF_SCHEMAS = re.compile(r"schema|function|tool|parameters|keyword|propert|response_format", re.IGNORECASE)
"""What a message speaks of if a common word in it is a keyword."""
OF_ANSWERS = re.compile(
    r"response_?format|response_?(?:json_?)?schema|output_?(?:config|format)|text\.format", re.IGNORECASE
)
AT_THE_TOP = re.compile(r"top[ -]level", re.IGNORECASE)
"""Such a message refuses nothing within."""

TOOL_MEMBERS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
ANSWER_PATHS = (
    ("response_format", "json_schema", "schema"), ("text", "format", "schema"), ("output_config", "format", "schema"),
    ("output_format", "schema"), ("generationConfig", "responseSchema"), ("generationConfig", "responseJsonSchema"),
    ("generation_config", "response_schema"), ("generation_config", "response_json_schema"),
)  # fmt: skip
TOOLS, ANSWERS = "tools", "the answer"


class Place(NamedTuple):
    """Where a schema stands."""

    holder: Document
    member: str

    def move(self, keywords: Sequence[str]) -> None:
        """What the keywords say stands in descriptions afterwards."""
        self.holder[self.member] = described(self.holder[self.member], frozenset(keywords))


def named_in(said: str) -> tuple[str, ...]:
    """The keywords that a message refuses, in their order; mostly none."""
    if AT_THE_TOP.search(said):
        return ()
    found = sorted(each for pattern in NAMED for match in pattern.finditer(said) for each in _listed(match, said))
    is_of_schemas = OF_SCHEMAS.search(said) is not None
    return tuple(dict.fromkeys(name for _, name in found if is_of_schemas or not name.islower()))


def _listed(match: re.Match[str], said: str) -> Iterator[tuple[int, str]]:
    """The place and name of a keyword that was found, and of those that follow it in a list."""
    further: re.Match[str] | None = match
    while further:
        yield further.start(1), further[1]
        further = FURTHER.match(said, further.end())


def subject(said: str) -> str:
    """Whose schemas the message is about."""
    return ANSWERS if OF_ANSWERS.search(said) else TOOLS


def places(document: Members, of: str, keywords: Sequence[str]) -> Iterator[Place]:
    """The schemas of the tools, or of the answer, that have such a keyword."""
    for place in _answer_places(document) if of == ANSWERS else _tool_places(document.get("tools")):
        if has_keyword(place.holder[place.member], frozenset(keywords)):
            yield place


def _tool_places(tools: object) -> Iterator[Place]:
    for tool in dicts(tools):
        declared = [*dicts(tool.get("functionDeclarations")), *dicts(tool.get("function_declarations"))]
        for holder in (tool, tool.get("function"), *declared):
            if isinstance(holder, dict):
                yield from (Place(holder, name) for name in TOOL_MEMBERS if isinstance(holder.get(name), dict))
        yield from _tool_places(tool.get("tools"))


def _answer_places(document: Members) -> Iterator[Place]:
    for *outer, last in ANSWER_PATHS:
        holder = document
        for name in outer:
            holder = mapping(holder.get(name))
        if isinstance(holder, dict) and isinstance(holder.get(last), dict):
            yield Place(holder, last)
