"""Refusals that name a parameter of the request: what they say, and requests made without what was refused.

A `Refusal` is one such statement. It is remembered for one model at one provider and applies to later requests, too.
The meaning of a request does not depend on the parameters that may be dropped; others are never touched.

>>> refusal_in({"temperature": 0.5}, Fault(FaultKind.STATUS, "Unsupported parameter: 'temperature'", 400))
Refusal(remedy=<Remedy.DROP: 'without'>, name='temperature', value=None)
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from pointsman.wire import refused_keywords, required_thoughts
from pointsman.wire.conversion.schemas import in_openapi
from pointsman.wire.conversion.thinking import EFFORTS
from pointsman.wire.errors import Fault
from pointsman.wire.json_access import Document, Members, dicts, mapping

STATUSES = (400, 422)

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")
"""Names of the limit of an answer."""
OTHER_SCHEMA_NAME = {
    "parametersJsonSchema": "parameters",
    "parameters_json_schema": "parameters",
    "responseJsonSchema": "responseSchema",
    "response_json_schema": "response_schema",
}
"""Members for a JSON Schema, which gateways may not know, and those for OpenAPI's, which are older."""
OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens", **OTHER_SCHEMA_NAME}
DROPPED = (
    "stream_options", "top_p", "topP", "top_k", "topK", "temperature", "min_p", "top_a", "presence_penalty",
    "presencePenalty", "frequency_penalty", "frequencyPenalty", "repetition_penalty", "seed", "logit_bias",
    "parallel_tool_calls", "user", "store", "metadata", "service_tier", "reasoning_effort", "reasoning", "thinking",
    "thinkingConfig", "thinking_config", "output_config", "verbosity", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "context_management", "enable_thinking", "chat_template_kwargs", "truncation",
)  # fmt: skip
"""Parameters that a request keeps its meaning without. Where a message names two of them, the first is dropped."""
UNMISTAKABLE = ("stream_options",)
"""Those of them that no message names for another reason than to refuse them."""
DROPPED_WITHIN = (
    "cache_control", "reasoning_content", "reasoning_details", "strict", "eager_input_streaming", "defer_loading",
    "input_examples",
)  # fmt: skip
"""The same, of members within messages and tools."""
HOLDERS = ("generationConfig", "generation_config")
COMMON_WORDS = ("user", "store", "metadata", "seed", "strict", "truncation", "reasoning", "thinking")
"""Names that stand in messages for other reasons, too."""
CONFIG_MEMBERS_THAT_STAY = ("format",)
"""Of `output_config`: the form of the answer."""

REFUSED = re.compile(
    r"unsupported|not (?:currently |yet )?support|n't support|no longer supported|unknown|unrecogni[sz]ed|unexpected"
    r"|not permitted|not allowed|not available|not enabled|not accept|deprecated|removed|cannot both|cannot find field"
    r"|cannot be (?:used|set|specified)|extra (?:input|field)|additional properties"
    r"|(?:invalid|not a valid) (?:parameter|argument|field)|invalid \w+ argument"
    r"|(?:only \S+ is|only) allowed|be unset|unset when|only be set to|must be 1\b|not match any of the expected",
    re.IGNORECASE,
)
VALUE_REFUSED = re.compile(r"must be one of|expected one of|supported values are|input should be", re.IGNORECASE)
"""Only some values are taken."""
VALUES = {
    **dict.fromkeys(("reasoning_effort", "reasoning", "output_config"), ("none", *EFFORTS)),
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "priority", "scale", "standard", "standard_only"),
}
"""Words that some models take. A word that none takes is the client's mistake."""
UNSUPPORTED_WORD = re.compile(r"does not support ['\"`]?([a-z]+)", re.IGNORECASE)
ALIASES = {
    **dict.fromkeys(("thinkingConfig", "thinking_config"), re.compile(r"thinking (?:level|budget)", re.IGNORECASE)),
    **dict.fromkeys(("presencePenalty", "frequencyPenalty"), re.compile(r"\bpenalty is not", re.IGNORECASE)),
    "output_config": re.compile(r"\beffort parameter\b", re.IGNORECASE),
}
"""What messages call a parameter besides its name."""
LIMIT_NAMED = re.compile(
    r"max_(?:completion|output|new)?_?tokens|max(?:imum)? tokens you"
    r"|max(?:imum)? (?:number of |allowed )?(?:output|completion) tokens",
    re.IGNORECASE,
)
"""What messages call the limit of an answer, whatever the request calls it."""
NUMBER = re.compile(r"(?<![\w.-])(\d[\d,]{1,9})(?![\w-]|\.\d)(\s*\(exclusive\))?")
ROOM = (
    re.compile(
        r"context (?:length|limit|window)\D*(?P<context>\d+)"
        r".*?(?P<input>\d+) (?:input tokens|in the (?:messages|prompt)|of text input|tokens from the input)",
        re.DOTALL,
    ),
    re.compile(r"tokens\W+max_new_tokens\W+must be <= (?P<context>\d+)\. Given: (?P<input>\d+)"),
    re.compile(r"context (?:length|limit|window): (?P<input>\d+) \+ \d+ > (?P<context>\d+)"),
)
"""How a message says how much of the context the prompt has left to the answer."""
LEAST_ROOM = 1024
"""Tokens that an answer should have, for a repetition to be of use."""
CONTEXT = re.compile(r"context (?:length|window|size|limit)|input tokens|in the messages", re.IGNORECASE)
ROLE = re.compile(r"\brole\b|\bdeveloper\b.*(?:not|one of|unsupported)|\bexpected\b", re.IGNORECASE | re.DOTALL)


class Remedy(Enum):
    """What is done about a refusal."""

    DROP = "without"
    RENAME = "named otherwise:"
    LOWER = "lowered:"
    ROLE = "role"
    DESCRIBE = "in descriptions:"
    """Of keywords of JSON Schema, named one after the other."""
    STAND_IN = "with stand-ins for"
    """Thoughts that the provider requires of each answer in the history, and another provider has not written."""


class Refusal(NamedTuple):
    """`value`: the greatest number that is taken, the one word that is refused, or whose schemas are meant; None:
    whatever the value.

    `is_lasting`: it says something of other requests, too.
    """

    remedy: Remedy
    name: str
    value: int | str | None = None
    is_lasting: bool = True

    def is_met(self, document: Members) -> bool:
        """The document has what was refused."""
        return any(True for _ in self._found(document))

    def apply(self, document: Document) -> str:
        """Changes the document, which `is_met` is true of. Returns a remark for people."""
        for holder in list(self._found(document)):
            match self.remedy:
                case Remedy.DROP:
                    self._drop(holder)
                case Remedy.RENAME:
                    value = holder.pop(self.name)
                    holder[OTHER_NAME[self.name]] = in_openapi(value) if self.name in OTHER_SCHEMA_NAME else value
                case Remedy.LOWER:
                    holder[self.name] = self.value
                case Remedy.ROLE:
                    holder["role"] = "system"
                case Remedy.DESCRIBE:
                    holder.move(self._keywords())
                case Remedy.STAND_IN:
                    required_thoughts.add(holder, self.name)
        if self.remedy is Remedy.LOWER:
            return f"{self.name} lowered to {self.value}: the provider refused more"
        why = "requires" if self.remedy is Remedy.STAND_IN else "refused"
        return f"{self.remedy.value} {self.name}: the provider {why} it"

    def _keywords(self) -> list[str]:
        return self.name.split(", ")

    def _drop(self, holder: Document) -> None:
        config = holder.pop(self.name)
        kept = {name: value for name, value in mapping(config).items() if name in CONFIG_MEMBERS_THAT_STAY}
        if kept:
            holder[self.name] = kept

    def _found(self, document: Any) -> Iterator[Any]:
        """The objects that have it."""
        if self.remedy is Remedy.ROLE:
            yield from (message for message in dicts(document.get("messages")) if message.get("role") == self.name)
            return
        if self.remedy is Remedy.DESCRIBE:
            yield from refused_keywords.places(document, str(self.value), self._keywords())
            return
        if self.remedy is Remedy.STAND_IN:
            yield from required_thoughts.missing(document, self.name)
            return
        for holder in _holders(document, self.name):
            value = holder[self.name]
            match self.remedy, self.value:
                case Remedy.LOWER, int(most):
                    if isinstance(value, int) and value > most:
                        yield holder
                case Remedy.DROP, str(word):
                    if word in (value, mapping(value).get("effort")):
                        yield holder
                case _:
                    if not (mapping(value) and set(value) <= set(CONFIG_MEMBERS_THAT_STAY)):
                        yield holder


def refusal_in(sent: Members, fault: Fault) -> Refusal | None:
    """What a fault says of the request that was sent; None if it refuses no parameter of it."""
    if fault.status not in STATUSES:
        return None
    said = f"{fault.message}\n{fault.upstream}\n{(fault.body or b'').decode(errors='replace')}"
    return (
        _limit_refused(sent, fault.upstream or fault.message or said, said)
        or _role_refused(sent, said)
        or _keywords_refused(sent, said)
        or _schema_member_refused(sent, said)
        or _thoughts_missing(sent, said)
        or _value_refused(sent, said)
        or _parameter_refused(sent, said)
    )


def _holders(document: Any, name: str) -> Iterator[Any]:
    """The objects in which a parameter of that name stands."""
    if name in DROPPED_WITHIN or OTHER_SCHEMA_NAME.get(name) == "parameters":
        yield from _within(document, name)
        return
    for holder in (document, *(document.get(each) for each in HOLDERS)):
        if isinstance(holder, dict) and name in holder:
            yield holder


def _within(document: Any, name: str) -> Iterator[Any]:
    if isinstance(document, dict) and name in document:
        yield document
    for member in ("system", "messages", "tools"):
        for each in dicts(document.get(member)):
            declared = (*dicts(each.get("functionDeclarations")), *dicts(each.get("function_declarations")))
            for holder in (each, each.get("function"), *dicts(each.get("content")), *declared):
                if isinstance(holder, dict) and name in holder:
                    yield holder


def _limit_refused(sent: Members, message: str, said: str) -> Refusal | None:
    for name in LIMITS:
        holder = next(_holders(sent, name), None)
        if holder is None:
            continue
        if room := _room(holder[name], message):
            return Refusal(Remedy.LOWER, name, room, is_lasting=False)
        is_named = _is_named(name, said)
        if not is_named and not LIMIT_NAMED.search(message):
            continue
        other = OTHER_NAME.get(name)
        if (
            is_named
            and other
            and REFUSED.search(message)
            and (_is_named(other, said) or not _ceiling(holder[name], message))
        ):
            return Refusal(Remedy.RENAME, name)
        if ceiling := _ceiling(holder[name], message):
            return Refusal(Remedy.LOWER, name, ceiling)
    return None


def _room(limit: object, message: str) -> int | None:
    """What the prompt leaves of the context, if the limit of the answer asks for more."""
    for pattern in ROOM:
        if isinstance(limit, int) and (found := pattern.search(message)):
            room = int(found["context"]) - int(found["input"])
            return room if LEAST_ROOM <= room < limit else None
    return None


def _ceiling(limit: object, message: str) -> int | None:
    """The greatest number in the message that is less than the limit; None where it speaks of the whole context."""
    if not isinstance(limit, int) or CONTEXT.search(message):
        return None
    numbers = [int(found[1].replace(",", "")) - bool(found[2]) for found in NUMBER.finditer(message)]
    return max((number for number in numbers if 16 <= number < limit), default=None)


def _role_refused(sent: Members, said: str) -> Refusal | None:
    refusal = Refusal(Remedy.ROLE, "developer")
    return refusal if "developer" in said and ROLE.search(said) and refusal.is_met(sent) else None


def _keywords_refused(sent: Members, said: str) -> Refusal | None:
    """Those alone that the schemas have."""
    of = refused_keywords.subject(said)
    names = [
        name for name in refused_keywords.named_in(said) if any(True for _ in refused_keywords.places(sent, of, [name]))
    ]
    return Refusal(Remedy.DESCRIBE, ", ".join(names), of) if names else None


def _schema_member_refused(sent: Members, said: str) -> Refusal | None:
    """The member itself is meant, and nothing within it."""
    if not REFUSED.search(said):
        return None
    for name in OTHER_SCHEMA_NAME:
        refusal, spellings = Refusal(Remedy.RENAME, name), f"{_snake(name)}|{_camel(name)}"
        if re.search(rf"(?<!\w)(?:{spellings})(?!\w|\.\w|\[)", said) and refusal.is_met(sent):
            return refusal
    return None


def _thoughts_missing(sent: Members, said: str) -> Refusal | None:
    name = required_thoughts.named_in(said)
    refusal = Refusal(Remedy.STAND_IN, name) if name else None
    return refusal if refusal and refusal.is_met(sent) else None


def _value_refused(sent: Members, said: str) -> Refusal | None:
    """Of a parameter that takes words: the one that was sent."""
    for name in VALUES if VALUE_REFUSED.search(said) else ():
        for holder in _holders(sent, name) if _is_named(name, said) else ():
            value = mapping(holder[name]).get("effort", holder[name])
            if isinstance(value, str) and value in VALUES[name]:
                return Refusal(Remedy.DROP, name, value)
    return None


def _parameter_refused(sent: Members, said: str) -> Refusal | None:
    for name in (*DROPPED, *DROPPED_WITHIN) if REFUSED.search(said) else UNMISTAKABLE:
        refusal = Refusal(Remedy.DROP, name)
        is_named = _is_named(name, said) or (name in ALIASES and ALIASES[name].search(said))
        if is_named and refusal.is_met(sent):
            word = UNSUPPORTED_WORD.search(said)
            narrow = refusal._replace(value=word[1]) if word else refusal
            return narrow if narrow.is_met(sent) else refusal
    return None


def _is_named(name: str, said: str) -> bool:
    """Common words count only as the name of a parameter: in quotes, before a colon or a dot, or after such a noun."""
    snake = re.escape(name)
    if name not in COMMON_WORDS:
        camel = re.escape(_camel(name))  # as xAI names parameters of any dialect
        return re.search(rf"(?<!\w)({snake}|{camel})(?!\w)", said) is not None
    quoted = rf"[\"'`]{snake}(?:[\"'`.\[]|\\\")"
    noun = rf"(?:parameters?|arguments?|fields?|propert(?:y|ies)|keys?|supplied|inputs?|name):? \W?{snake}(?!\w)"
    plain = rf"(?<!\w){snake} is not (?:supported|enabled|available)"
    return re.search(rf"{plain}|{quoted}|^{snake}[.:]|(?<=[\s.]){snake}:|{noun}", said, re.MULTILINE) is not None


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def without_refused(refusals: Sequence[Refusal], document: Document) -> list[str]:
    """Changes the document; returns remarks for people."""
    return [refusal.apply(document) for refusal in refusals if refusal.is_met(document)]


def is_refused(refusals: Sequence[Refusal], document: Mapping[str, Any]) -> bool:
    return any(refusal.is_met(document) for refusal in refusals)
