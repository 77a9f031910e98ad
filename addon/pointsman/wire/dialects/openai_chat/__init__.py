"""OpenAI's chat completions, which most providers and clients speak."""

from dataclasses import replace

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.account_requests import account_dialect
from pointsman.wire.dialects.base import Dialect, TranscriptReader
from pointsman.wire.dialects.demo_base import DemoDialect
from pointsman.wire.dialects.openai_chat import (
    answers,
    control_events,
    endpoints,
    errors,
    messages,
    request,
    request_repair,
    transcript,
)
from pointsman.wire.dialects.openai_chat.continuation import CONTINUATION
from pointsman.wire.dialects.openai_chat.conversion import CONVERSION
from pointsman.wire.dialects.openai_chat.model_list import MODEL_LIST
from pointsman.wire.dialects.openai_chat.other_form import OTHER_FORM
from pointsman.wire.dialects.openai_chat.signed_parts import SIGNED_PARTS


def _demo() -> DemoDialect:
    from pointsman.wire.dialects.openai_chat import demo

    return demo


CHATS = Dialect(
    name=DialectName.OPENAI_CHAT,
    purpose_of=request.purpose_of,
    facts=request.facts,
    outbound=request.outbound,
    auth_headers=request.auth_headers,
    usage_option=request.USAGE_OPTION,
    quirks=request_repair.QUIRKS,
    signed_parts=SIGNED_PARTS,
    reader=answers.reader,
    other_form=OTHER_FORM,
    fault=errors.fault,
    error_body=errors.error_body,
    control_events=control_events.control_events,
    conversation=messages.conversation,
    answer_message=messages.answer,
    with_texts_joined=messages.with_texts_joined,
    conversion=CONVERSION,
    continuation=CONTINUATION,
    model_list=MODEL_LIST,
    transcript=TranscriptReader(transcript.request, transcript.answer),
    demo=_demo,
)
DIALECT = replace(
    CHATS,
    endpoints=endpoints.endpoints(CHATS),
    account=account_dialect(CHATS, ("/files", "/uploads", "/batches")),
)
