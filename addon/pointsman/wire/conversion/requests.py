"""A request taken from one dialect into another: prepared, converted by the library, fixed up."""

from typing import Any

from llm_rosetta import ConversionPipeline

from pointsman.wire import jsontext
from pointsman.wire.conversion.base import Conversion, Recipient
from pointsman.wire.conversion.ir import dumps
from pointsman.wire.conversion.request_fixups import drop_library_notes
from pointsman.wire.conversion.request_prepare import prepared
from pointsman.wire.json_access import Document, mapping


def convert(client: Conversion, provider: Conversion, document: Document, to: Recipient) -> dict[str, Any]:
    """The body for the provider, without its model and without whether it streams. `document` is used up.

    Raises whatever the library raises.
    """
    response_format = client.response_format(document)
    pipeline = ConversionPipeline(
        client.library_name, provider.library_name, upstream_model=to.model, metadata_mode="strip"
    )
    request = pipeline.convert_request(prepared(client, document, to.reasons))
    for member in ("model", "stream"):
        request.pop(member, None)
    if not mapping(pipeline.ir_request.get("generation")).get("max_tokens"):
        request.pop("max_tokens", None)  # the library's own idea
    if "tools" in request:  # the library keeps these for the next request (512 of them, for half an hour)
        request["tools"] = jsontext.loads(dumps(request["tools"]))
    drop_library_notes(request)
    provider.fix_up(request, to, pipeline.ir_request)
    if response_format:
        provider.write_format(response_format, request)
    provider.make_valid(request)
    return request
