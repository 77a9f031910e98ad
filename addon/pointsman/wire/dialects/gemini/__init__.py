"""Google's Gemini API, as Gemini CLI and google-genai speak it."""

from dataclasses import replace

from pointsman.config.enums import Dialect as DialectName
from pointsman.wire.dialects.base import Dialect, TranscriptReader
from pointsman.wire.dialects.demo_base import DemoDialect
from pointsman.wire.dialects.gemini import answers, control_events, endpoints, errors, messages, request, transcript
from pointsman.wire.dialects.gemini.continuation import CONTINUATION
from pointsman.wire.dialects.gemini.conversion import CONVERSION
from pointsman.wire.dialects.gemini.model_list import MODEL_LIST
from pointsman.wire.dialects.gemini.other_form import OTHER_FORM
from pointsman.wire.dialects.gemini.signed_parts import SIGNED_PARTS


def _demo() -> DemoDialect:
    from pointsman.wire.dialects.gemini import demo

    return demo


CHATS = Dialect(
    name=DialectName.GEMINI,
    purpose_of=request.purpose_of,
    facts=request.facts,
    outbound=request.outbound,
    auth_headers=request.auth_headers,
    list_query="pageSize=1000",
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
DIALECT = replace(CHATS, endpoints=endpoints.endpoints(CHATS))
