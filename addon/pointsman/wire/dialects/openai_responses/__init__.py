"""OpenAI's Responses, as Codex speaks it."""

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.dialects.base import Dialect, Sockets, TranscriptReader
from pointsman.wire.dialects.demo_base import DemoDialect
from pointsman.wire.dialects.openai_responses import (
    answers,
    control_events,
    errors,
    messages,
    request,
    stored,
    transcript,
    websocket,
)
from pointsman.wire.dialects.openai_responses.continuation import CONTINUATION
from pointsman.wire.dialects.openai_responses.conversion import CONVERSION
from pointsman.wire.dialects.openai_responses.model_list import MODEL_LIST
from pointsman.wire.dialects.openai_responses.other_form import OTHER_FORM
from pointsman.wire.dialects.openai_responses.signed_parts import SIGNED_PARTS


def _demo() -> DemoDialect:
    from pointsman.wire.dialects.openai_responses import demo

    return demo


DIALECT = Dialect(
    name=DialectName.OPENAI_RESPONSES,
    purpose_of=request.purpose_of,
    facts=request.facts,
    outbound=request.outbound,
    auth_headers=request.auth_headers,
    count_tokens=request.COUNT_TOKENS,
    stored_methods=stored.methods,
    sockets=Sockets(request.takes_sockets, websocket.ResponsesSocket),
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
