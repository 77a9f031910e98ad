"""Duo: two who talk, and nothing else. Invented for tests."""

from pointsman.wire.dialects.duo import answers, control_events, errors, messages, request, transcript
from pointsman.wire.dialects.duo.conversion import CONVERSION
from pointsman.wire.dialects.duo.model_list import MODEL_LIST

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.dialects.base import Dialect, TranscriptReader
from pointsman.wire.dialects.demo_base import DemoDialect


def _demo() -> DemoDialect:
    from pointsman.wire.dialects.duo import demo

    return demo


DIALECT = Dialect(
    name=DialectName("duo"),
    purpose_of=request.purpose_of,
    facts=request.facts,
    outbound=request.outbound,
    auth_headers=request.auth_headers,
    reader=answers.reader,
    fault=errors.fault,
    error_body=errors.error_body,
    control_events=control_events.control_events,
    conversation=messages.conversation,
    answer_message=messages.answer,
    conversion=CONVERSION,
    model_list=MODEL_LIST,
    transcript=TranscriptReader(transcript.request, transcript.answer),
    demo=_demo,
)
