"""A request taken from one dialect into another: prepared, converted, fixed up.

The library converts what is asked and the tools; conversations are read and written by the dialects (`History`).
"""

from typing import Any

from llm_rosetta import ConversionPipeline

from pointsman.wire import jsontext
from pointsman.wire.conversion.base import Conversion, Recipient
from pointsman.wire.conversion.history import arranged, fit_ids
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.request_prepare import prepared
from pointsman.wire.json_access import Document, mapping


def convert(client: Conversion, provider: Conversion, document: Document, to: Recipient) -> dict[str, Any]:
    """The body for the provider, without its model and without whether it streams. `document` is used up.

    Raises whatever the library raises.
    """
    response_format = client.response_format(document)
    history = client.history
    prepared(client, document, to.reasons)
    messages = arranged(history.read(document))
    for member in history.system:
        document.pop(member, None)
    document[history.member] = history.stand_in
    pipeline = ConversionPipeline(
        client.library_name, provider.library_name, upstream_model=to.model, metadata_mode="strip"
    )
    request = pipeline.convert_request(document)
    fit_ids(messages)
    provider.history.write(request, messages)
    for member in ("model", "stream"):
        request.pop(member, None)
    if not mapping(pipeline.ir_request.get("generation")).get("max_tokens"):
        request.pop("max_tokens", None)  # the library's own idea
    if "tools" in request:  # the library keeps these for the next request (512 of them, for half an hour)
        request["tools"] = jsontext.loads(dumps(request["tools"]))
    provider.fix_up(request, to, pipeline.ir_request)
    if response_format:
        provider.write_format(response_format, request)
    return request
