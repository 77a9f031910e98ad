"""Anthropic's Messages, as Claude Code speaks it."""

from dataclasses import replace

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.account_requests import account_dialect
from pointsman.wire.dialects.anthropic import (
    answers,
    control_events,
    errors,
    messages,
    request,
    transcript,
)
from pointsman.wire.dialects.anthropic.continuation import CONTINUATION
from pointsman.wire.dialects.anthropic.conversion import CONVERSION
from pointsman.wire.dialects.anthropic.model_list import MODEL_LIST
from pointsman.wire.dialects.anthropic.other_form import OTHER_FORM
from pointsman.wire.dialects.anthropic.signed_parts import SIGNED_PARTS
from pointsman.wire.dialects.base import Dialect, TranscriptReader
from pointsman.wire.dialects.demo_base import DemoDialect


def _demo() -> DemoDialect:
    from pointsman.wire.dialects.anthropic import demo

    return demo


CHATS = Dialect(
    name=DialectName.ANTHROPIC,
    purpose_of=request.purpose_of,
    facts=request.facts,
    outbound=request.outbound,
    auth_headers=request.auth_headers,
    own_headers=request.OWN_HEADERS,
    list_query="limit=1000",
    count_tokens=request.COUNT_TOKENS,
    signed_parts=SIGNED_PARTS,
    reader=answers.reader,
    other_form=OTHER_FORM,
    fault=errors.fault,
    error_body=errors.error_body,
    control_events=control_events.control_events,
    conversation=messages.conversation,
    answer_message=messages.answer,
    conversion=CONVERSION,
    continuation=CONTINUATION,
    model_list=MODEL_LIST,
    transcript=TranscriptReader(transcript.request, transcript.answer),
    demo=_demo,
)
DIALECT = replace(CHATS, account=account_dialect(CHATS, ("/messages/batches", "/files")))
