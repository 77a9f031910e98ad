"""JSON Schemas in the subset that a dialect takes: of tools, and of answers.

What a provider would refuse is written in another way, or moved into the description, where the model still reads it.
A schema that has nothing of that stays as it is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pointsman.wire.json_access import mapping

type Schema = dict[str, Any]
type Change = Callable[[Schema], Schema]

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
SINGLE = (
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "additionalItems",
)  # fmt: skip
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Where schemas stand in a schema: by name, alone, and in lists."""
COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
COMBINATIONS = ("anyOf", "oneOf", "allOf")

OPENAI_STRICT_REFUSED = frozenset(
    {
        "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
        "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems", "contains",
        "minContains", "maxContains", "uniqueItems", "prefixItems", "minLength", "maxLength", "default",
    }
)  # fmt: skip
ANTHROPIC_STRICT_REFUSED = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "patternProperties", "propertyNames",
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "contains", "minContains", "maxContains",
        "unevaluatedProperties", "unevaluatedItems", "prefixItems",
    }
)  # fmt: skip
GEMINI_TAKEN = frozenset(
    {
        "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
        "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties",
        "required", "propertyOrdering",
    }
)  # fmt: skip
GEMINI_FORMATS = ("date-time", "date", "time", "int32", "int64", "float", "double", "enum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """What a dialect takes. The `strict` ones are for tools that say `strict`, and for the form of an answer."""

    taken: frozenset[str] | None = None
    """The only keywords that it takes; None: all of them."""
    formats: tuple[str, ...] | None = None
    strict_refused: frozenset[str] = frozenset()
    strict_moves: bool = False
    """What is refused there may be moved into the description; else such a schema is not strict."""
    strict_needs_all: bool = False
    """Every property must be required there."""
    has_strict: bool = True


class Fitted(NamedTuple):
    schema: Schema
    is_strict: bool


def of_tool(parameters: object, subset: Subset, is_strict: bool = False) -> Fitted:
    """The parameters of a tool: always an object with properties."""
    schema = _within(_root(_walked(_copied(parameters), _normal)), subset)
    return _strict(schema, subset) if is_strict and subset.has_strict else Fitted(schema, False)


def of_answer(schema: object, subset: Subset, is_strict: bool = True) -> Fitted:
    """The form of an answer. Where a dialect has no form that is not strict, it is made to be."""
    fitted = _within(_walked(_copied(schema), _normal), subset)
    return _strict(fitted, subset) if is_strict or subset.strict_moves else Fitted(fitted, False)


def described(schema: Schema, refused: frozenset[str]) -> Schema:
    """A new schema without these keywords, at any depth; descriptions have them."""
    return _walked(schema, lambda each: _described(each, refused))


def in_openapi(schema: object) -> object:
    """A schema whose types are written as in OpenAPI 3.0, which has no lists of them.

    >>> in_openapi({"type": ["string", "null"]})
    {'type': 'string', 'nullable': True}
    """
    return _walked(schema, _with_one_type) if isinstance(schema, dict) else schema


def has_keyword(schema: Schema, keywords: frozenset[str]) -> bool:
    return any(not keywords.isdisjoint(each) for each in _schemas(schema))


def _within(schema: Schema, subset: Subset) -> Schema:
    return _walked(_with_defs(schema), lambda each: _taken(each, subset)) if subset.taken is not None else schema


def _strict(schema: Schema, subset: Subset) -> Fitted:
    closed = _walked(schema, _closed)
    if subset.strict_moves:
        return Fitted(_walked(closed, lambda each: _described(_shut(each), subset.strict_refused)), True)
    is_satisfied = all(_is_strict(each, subset) for each in _schemas(closed))
    return Fitted(closed, True) if is_satisfied else Fitted(schema, False)


def _is_strict(schema: Schema, subset: Subset) -> bool:
    if subset.strict_refused & schema.keys():
        return False
    if not _is_object(schema):
        return True
    properties, required = mapping(schema.get("properties")), schema.get("required") or []
    has_all = not subset.strict_needs_all or set(properties) <= set(required)
    return schema.get("additionalProperties") is False and has_all


def _walked(schema: Schema, change: Change) -> Schema:
    """A new schema, changed from the inside out."""
    made: Schema = {}
    for name, value in schema.items():
        if name in MAPS and isinstance(value, dict):
            made[name] = {key: _walked(_copied(each), change) for key, each in value.items()}
        elif name in LISTS and isinstance(value, list):
            made[name] = [_walked(_copied(each), change) for each in value]
        elif name == "items" and isinstance(value, list):
            made["prefixItems"] = [_walked(_copied(each), change) for each in value]
        elif name in SINGLE and isinstance(value, dict):
            made[name] = _walked(value, change)
        else:
            made[name] = value
    return change(made)


def _schemas(schema: Schema) -> list[Schema]:
    found: list[Schema] = []

    def collect(each: Schema) -> Schema:
        found.append(each)
        return each

    _walked(schema, collect)
    return found


def _copied(schema: object) -> Schema:
    """A schema may be a truth value, and is often missing."""
    if schema is False:
        return {"not": {}}
    return dict(schema) if isinstance(schema, Mapping) else {}


def _normal(schema: Schema) -> Schema:
    """What older drafts and OpenAPI say in other words, and what providers ask for beyond the standard."""
    schema.pop("$schema", None)
    kind = schema.get("type")
    if schema.pop("nullable", None) is True and isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)
    for name in COUNTS:
        if isinstance(value := schema.get(name), str) and value.isascii() and value.isdigit():
            schema[name] = int(value)
    if "required" in schema:
        _repair_required(schema)
    if "array" in _kinds(schema) and not {"items", "prefixItems"} & schema.keys():
        schema["items"] = {}
    return schema


def _repair_required(schema: Schema) -> None:
    required, properties = schema["required"], schema.get("properties")
    if not isinstance(required, list):
        del schema["required"]
        return
    names = [name for name in required if isinstance(name, str)]
    if isinstance(properties, dict) and not set(COMBINATIONS) & schema.keys():
        names = [name for name in names if name in properties]
    if names != required:
        schema["required"] = names


def _kinds(schema: Mapping[str, Any]) -> list[Any]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind]


def _with_one_type(schema: Schema) -> Schema:
    kinds = [kind for kind in _kinds(schema) if kind != "null"]
    if not isinstance(schema.get("type"), list) or not kinds:
        return schema
    typed: Schema = {"type": kinds[0]} if len(kinds) == 1 else {"anyOf": [{"type": kind} for kind in kinds]}
    rest = {name: value for name, value in schema.items() if name != "type"}
    return {**typed, **rest, **({"nullable": True} if "null" in schema["type"] else {})}


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "object" in _kinds(schema) or "properties" in schema


def _root(schema: Schema) -> Schema:
    """An object with properties, and nothing else beside them that providers refuse there."""
    schema = _resolved(schema)
    for name in COMBINATIONS:
        if isinstance(variants := schema.pop(name, None), list):
            schema = _joined(schema, [_resolved(mapping(each), schema) for each in variants], name)
    if schema.get("type") != "object" or "enum" in schema or "not" in schema:
        schema = {**schema, "type": "object"}
        schema = _described(schema, frozenset({"enum", "not"}))
    if not isinstance(schema.get("properties"), dict):
        schema["properties"] = {}
    return schema


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Schema:
    """What a reference at the top stands for; generators write such."""
    reference = schema.get("$ref")
    within, _, name = reference.rpartition("/") if isinstance(reference, str) else ("", "", "")
    if within not in ("#/$defs", "#/definitions"):
        return dict(schema)
    named = mapping(mapping((root or schema).get(within[2:])).get(name))
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**named, **rest} if "$ref" not in named else rest


def _joined(schema: Schema, variants: list[Schema], combination: str) -> Schema:
    """One object with the properties of all. Of alternatives only what all of them require is required, and a note says
    what belongs together.
    """
    variants = [each for each in variants if each.get("type") != "null"]
    properties = dict(mapping(schema.get("properties")))
    for each in variants:
        for name, value in mapping(each.get("properties")).items():
            properties.setdefault(name, value)
    lists = [[name for name in each.get("required") or [] if name in properties] for each in variants]
    if combination == "allOf":
        wanted = [name for names in lists for name in names]
    else:
        wanted = [name for name in (lists[0] if lists else []) if all(name in names for names in lists)]
    required = list(dict.fromkeys([*(schema.get("required") or []), *wanted]))
    joined = {**schema, "type": "object", "properties": properties}
    if required:
        joined["required"] = required
    if combination != "allOf" and len(variants) > 1:
        sets = [sorted({*mapping(each.get("properties")), *(each.get("required") or [])}) for each in variants]
        _note(joined, f"{combination}: {json.dumps(sets)}")
    return joined


def _closed(schema: Schema) -> Schema:
    if _is_object(schema) and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    return schema


def _shut(schema: Schema) -> Schema:
    """No object may have more than its properties."""
    if _is_object(schema) and schema.get("additionalProperties") is not False:
        _note(schema, f"additionalProperties: {json.dumps(schema['additionalProperties'])}")
        schema["additionalProperties"] = False
    return schema


def _described(schema: Schema, refused: frozenset[str]) -> Schema:
    """Without these keywords; the description has them."""
    for name in sorted(refused & schema.keys()):
        _note(schema, f"{name}: {json.dumps(schema.pop(name))}")
    return schema


def _note(schema: Schema, note: str) -> None:
    said = schema.get("description")
    schema["description"] = f"{said}\n{note}" if isinstance(said, str) and said else note


def _taken(schema: Schema, subset: Subset) -> Schema:
    assert subset.taken is not None
    if isinstance(parts := schema.pop("allOf", None), list):
        schema = _merged(schema, parts)
    if "const" in schema and isinstance(schema["const"], str | int | float) and schema["const"] is not True:
        schema.setdefault("enum", [schema.pop("const")])
    if isinstance(values := schema.get("enum"), list):
        _fit_enum(schema, values)
    if subset.formats is not None and schema.get("format", subset.formats[0]) not in subset.formats:
        schema = _described(schema, frozenset({"format"}))
    return _described(schema, frozenset(schema.keys() - subset.taken))


def _fit_enum(schema: Schema, values: list[Any]) -> None:
    """Texts and numbers alone, none of them empty."""
    kept = [
        each for each in values if isinstance(each, str | int | float) and not isinstance(each, bool) and each != ""
    ]
    if kept != values:
        del schema["enum"]
        if kept and None not in values:
            schema["enum"] = kept
        _note(schema, f"enum: {json.dumps(values)}")


def _merged(schema: Schema, parts: list[Schema]) -> Schema:
    for part in parts:
        properties = {**mapping(schema.get("properties")), **mapping(part.get("properties"))}
        required = list(dict.fromkeys([*(schema.get("required") or []), *(part.get("required") or [])]))
        schema = {**part, **schema}
        if properties:
            schema["properties"] = properties
        if required:
            schema["required"] = required
    return schema


def _with_defs(schema: Schema) -> Schema:
    """Definitions in the newer place, and references to them there."""
    if not isinstance(schema.get("definitions"), dict):
        return schema
    moved = {**schema, "$defs": {**schema["definitions"], **mapping(schema.get("$defs"))}}
    del moved["definitions"]
    return _walked(moved, _newer_reference)


def _newer_reference(schema: Schema) -> Schema:
    if isinstance(reference := schema.get("$ref"), str):
        schema["$ref"] = reference.replace("#/definitions/", "#/$defs/", 1)
    return schema
