"""A request taken from one dialect into another: prepared, converted, fixed up.

The library converts what is asked and the tools; conversations are read and written by the dialects (`History`).
"""

from collections.abc import Collection, Iterator
from typing import Any

from llm_rosetta import ConversionPipeline

from pointsman.model_facts import ModelFacts
from pointsman.wire import jsontext
from pointsman.wire.conversion import cache_marks
from pointsman.wire.conversion.allowed_tools import leave_out_others
from pointsman.wire.conversion.base import NOTHING_KNOWN, Conversion, Recipient
from pointsman.wire.conversion.fit_model import fit
from pointsman.wire.conversion.history import arranged
from pointsman.wire.conversion.identifiers import Identifiers, Spelling
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.optional_parameters import lost, wanted_in
from pointsman.wire.conversion.request_prepare import prepared
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.schemas import of_answer, of_tool
from pointsman.wire.conversion.strict_tools import strict_tools
from pointsman.wire.json_access import Document, Members, mapping, mappings, text


def identifiers_between(
    client: Conversion, provider: Conversion, source: str = "", facts: ModelFacts = NOTHING_KNOWN
) -> Identifiers:
    length = facts.call_id_length
    return Identifiers(
        ids=Spelling(length, exact_length=length) if length else provider.call_ids,
        client_ids=client.call_ids,
        source=source,
    )


def fit_tools(
    request: Document, provider: Conversion, neutral: Members, strict: Collection[str], facts: ModelFacts
) -> Iterator[str]:
    """Schemas go as the client wrote them, as far as the provider takes them. Gives what is lost."""
    schemas = {text(tool.get("name")): tool.get("parameters") for tool in mappings(neutral.get("tools"))}
    functions = list(provider.functions(request))
    is_asked = any(function.get("name") in strict for function in functions)
    are_held = is_asked and provider.hold_to_schemas(request, facts)
    for function in functions:
        name = text(function.get("name"))
        if name not in schemas:
            continue
        fitted = of_tool(schemas[name], provider.schemas, name in strict)
        function[provider.schema_member] = fitted.schema
        if fitted.is_strict or "strict" in function:
            function["strict"] = fitted.is_strict
        if name in strict and not (fitted.is_strict or are_held):
            yield f"{name} without strict: its schema, or the dialect, does not allow it"


def fit_format(asked: ResponseFormat, provider: Conversion) -> ResponseFormat:
    if asked.schema is None:
        return asked
    schema, is_strict = of_answer(asked.schema, provider.schemas, asked.is_strict)
    return asked._replace(schema=schema, is_strict=is_strict)


def convert(
    client: Conversion,
    provider: Conversion,
    document: Document,
    to: Recipient,
    identifiers: Identifiers | None = None,
    remarks: list[str] | None = None,
) -> dict[str, Any]:
    """The body for the provider, without its model and without whether it streams. `document` is used up.

    `identifiers` learns what the answer needs; what the request lost is added to `remarks`. Raises whatever the library
    raises.
    """
    identifiers = identifiers or identifiers_between(client, provider, facts=to.facts)
    response_format = client.response_format(document)
    wanted = wanted_in(document, client.optional)
    history = client.history
    allowed, strict = client.take_allowed(document), set(strict_tools(document.get("tools")))
    can_allow = allowed is not None and provider.can_allow(allowed, to.facts)
    prepared(client, document, to.reasons or to.facts.can_think)
    messages = arranged(history.read(document))
    if not provider.takes_cache_marks(to):
        messages = [{**message, "content": cache_marks.without(message["content"])} for message in messages]
    for member in history.system:
        document.pop(member, None)
    document[history.member] = history.stand_in
    pipeline = ConversionPipeline(
        client.library_name, provider.library_name, upstream_model=to.model, metadata_mode="strip"
    )

    def complete(neutral: Document) -> None:
        """The library is not given the conversation."""
        client.complete(document, neutral)
        if allowed and not can_allow:
            leave_out_others(allowed, neutral)
        stand_in, neutral["messages"] = neutral.get("messages"), messages
        identifiers.request(neutral)
        neutral["messages"] = stand_in

    request = pipeline.convert_request(document, on_ir_ready=complete)
    provider.history.write(request, messages)
    for member in ("model", "stream"):
        request.pop(member, None)
    if not mapping(pipeline.ir_request.get("generation")).get("max_tokens"):
        request.pop("max_tokens", None)  # the library's own idea
    if "tools" in request:  # the library keeps these for the next request (512 of them, for half an hour)
        request["tools"] = jsontext.loads(dumps(request["tools"]))
    provider.fix_up(request, to, pipeline.ir_request)
    strict_names = {identifiers.name(name) for name in strict}
    losses = [*fit_tools(request, provider, pipeline.ir_request, strict_names, to.facts)]
    if allowed and can_allow:
        names = tuple(identifiers.name(name) for name in allowed.names)
        provider.write_allowed(allowed._replace(names=names), request)
    changes = fit(request, provider.parameters, provider.write_thinking, to.facts, pipeline.ir_request)
    losses += changes
    if response_format:
        provider.write_format(fit_format(response_format, provider), request)
    losses += (*lost(wanted, provider.carried), *provider.write_optional(request, wanted))
    (remarks if remarks is not None else []).extend(losses)
    provider.make_valid(request)
    return request
