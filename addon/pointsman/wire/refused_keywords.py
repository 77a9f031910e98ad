"""Keywords of JSON Schema that a provider refuses: what its message names, and requests made without them.

>>> named_in("Invalid schema for function 'f': 'pattern' is not permitted")
('pattern',)
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
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
QUOTE = r"(?:\\?['\"`])"


def _one_of(keywords: Iterable[str]) -> str:
    return "(?:" + "|".join(re.escape(each) for each in sorted(keywords, key=len, reverse=True)) + r")(?![\w-])"


def _list_of(item: str) -> str:
    return rf"(?P<names>{item}(?:(?:, ?(?:or |and )?| or | and |/){item})*)"


KEYWORD = _one_of(KEYWORDS)
NAMES = _list_of(f"{QUOTE}?{KEYWORD}{QUOTE}?")
QUOTED = _list_of(f"{QUOTE}{KEYWORD}{QUOTE}")
PECULIAR = _one_of(each for each in KEYWORDS if not each.islower() or each.startswith("$"))
"""Those that are no common words count without quotes, too."""
NOUN = r"(?i:keyword|property|propertie|field|attribute|parameter|argument|feature|key|name)s?(?:\(s\))?"
NOT = r"(?:(?:(?:is|are|was|were|do|does)(?: not|n't)|not)(?: yet| currently)?|(?:should|must|can)(?: not|not|n't) be)"
PERMITTED = (
    rf"(?:support|permit|allow|accept|expect|recogni[sz]|known|available|implement|set|used|specified"
    rf"|a valid (?i:JSON )?(?i:schema )?{NOUN})"
)
UNKNOWN = r"(?:un(?:known|supported|expected|implemented|recogni[sz]ed)|disallowed|forbidden|prohibited)"
REFUSED = rf"(?:{NOT} {PERMITTED}|(?:(?:is|are|was|were) )?{UNKNOWN})"
MESSAGES = (
    rf"{QUOTED} (?:{NOUN} )?{REFUSED}",
    rf"(?<![\w.'\"`$-]){_list_of(PECULIAR)} (?:{NOUN} )?{REFUSED}",
    rf"{NOUN} {NAMES} {REFUSED}",
    rf"{NOUN} {NOT} {PERMITTED}\w*: ?[\[{{(]?{NAMES}",
    rf"(?i:{UNKNOWN}|{NOT} {PERMITTED}\w*)(?: the)?(?: JSON)?(?: schema)?[ _]{NOUN}:? ?[\[{{(]?{NAMES}",
    rf"(?i:{UNKNOWN}|{NOT} {PERMITTED}\w*)(?: the)?:? (?={QUOTE}|{PECULIAR}){NAMES}",
    rf"(?i:{UNKNOWN}) {NOUN}:? {QUOTE}[\w.\[\]]*\.(?P<names>{KEYWORD}){QUOTE}",
    rf"\.(?P<names>{KEYWORD}): (?:Extra|Unknown|Unexpected|Unsupported|Not )",
    rf"{QUOTED}\s*[\])],[^\]}}]*{QUOTE}msg{QUOTE}:\s*{QUOTE}(?:Extra|Unknown|Unexpected)",
    rf"Extra inputs?[^.]{{0,40}}{NOUN}:? {NAMES}",
    r"\.(?P<names>format): only ",
)
"""How messages say that keywords are refused. A property may be called like one, so that a mention is not enough."""
LONGEST_SAID = 4096
"""Characters of a message that are searched, for the time that it takes."""
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


@cache
def patterns() -> tuple[re.Pattern[str], ...]:
    """To compile them takes longer than to load most modules: not at each start, since few messages are searched."""
    return tuple(map(re.compile, MESSAGES))


def named_in(said: str) -> tuple[str, ...]:
    """The keywords that a message refuses, in their order; mostly none."""
    said = said[:LONGEST_SAID]
    if AT_THE_TOP.search(said):
        return ()
    spans = sorted(match.span("names") for pattern in patterns() for match in pattern.finditer(said))
    found = [name for start, end in spans for name in re.findall(KEYWORD, said[start:end])]
    is_of_schemas = OF_SCHEMAS.search(said) is not None
    return tuple(dict.fromkeys(name for name in found if is_of_schemas or not name.islower()))


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
