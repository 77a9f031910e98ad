"""A request taken from one dialect into another: prepared, converted, fixed up.

The library converts what is asked and the tools; conversations are read and written by the dialects (`History`).
"""

from typing import Any

from llm_rosetta import ConversionPipeline

from pointsman.model_facts import ModelFacts
from pointsman.wire import jsontext
from pointsman.wire.conversion.base import NOTHING_KNOWN, Conversion, Recipient
from pointsman.wire.conversion.fit_model import fit
from pointsman.wire.conversion.history import arranged
from pointsman.wire.conversion.identifiers import Identifiers, Spelling
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.request_prepare import prepared
from pointsman.wire.json_access import Document, mapping


def identifiers_between(
    client: Conversion, provider: Conversion, source: str = "", facts: ModelFacts = NOTHING_KNOWN
) -> Identifiers:
    length = facts.call_id_length
    return Identifiers(
        ids=Spelling(length, exact_length=length) if length else provider.call_ids,
        names=provider.tool_names,
        client_ids=client.call_ids,
        client_names=client.tool_names,
        source=source,
    )


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
    history = client.history
    prepared(client, document, to.reasons or to.facts.can_think)
    messages = arranged(history.read(document))
    for member in history.system:
        document.pop(member, None)
    document[history.member] = history.stand_in
    pipeline = ConversionPipeline(
        client.library_name, provider.library_name, upstream_model=to.model, metadata_mode="strip"
    )

    def complete(neutral: Document) -> None:
        """The library is not given the conversation."""
        client.complete(document, neutral)
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
    changes = fit(request, provider.parameters, provider.write_thinking, to.facts, pipeline.ir_request)
    (remarks if remarks is not None else []).extend(changes)
    if response_format:
        provider.write_format(response_format, request)
    return request
