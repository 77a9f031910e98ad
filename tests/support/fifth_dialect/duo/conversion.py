"""How Duo crosses into other dialects and back: the library takes it for chat completions."""

from collections.abc import Iterator

from pointsman.wire.dialects.duo.answer_writer import DuoWriter
from pointsman.wire.dialects.duo.messages import ROLES

from pointsman.wire.conversion.base import Conversion, Recipient, RequestedFeatures, nothing
from pointsman.wire.conversion.ir import AnswerState, Piece
from pointsman.wire.dialects.openai_chat.conversion import CONVERSION as CHAT
from pointsman.wire.json_access import Document, Members, dicts, text

SPEAKERS = {role: who for who, role in ROLES.items()}


def prepare(document: Document) -> None:
    lines = dicts(document.pop("lines", None))
    document["messages"] = [
        {"role": ROLES.get(str(line.get("who")), "user"), "content": text(line.get("words"))} for line in lines
    ]
    document.pop("live", None)
    if most := document.pop("most", None):
        document["max_tokens"] = most


def cannot_express(requested: RequestedFeatures) -> Iterator[str]:
    if requested.has_tools:
        yield "duo has no tools"
    if requested.media:
        yield "duo has no images"
    if requested.response_format:
        yield "duo has no formats"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    CHAT.fix_up(request, to, neutral)
    messages = dicts(request.get("messages"))
    lines = [{"who": SPEAKERS.get(text(each.get("role")), "you"), "words": _words(each)} for each in messages]
    most = request.get("max_tokens")
    request.clear()
    request.update(lines=lines, **({"most": most} if most else {}))


def _words(message: Members) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else "".join(text(part.get("text")) for part in dicts(content))


def plain_text(document: Document) -> str | None:
    said = document.get("say")
    return said if isinstance(said, str) else None


def repair(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Makes it a chunk, or a whole answer, of chat completions."""
    words = text(document.get("say")) + "".join(text(line.get("words")) for line in dicts(document.get("lines")))
    finish = "stop" if "over" in document else None
    message = {"role": "assistant", "content": words}
    document.clear()
    document.update(choices=[{"index": 0, "delta": message, "message": message, "finish_reason": finish}])
    yield from CHAT.repair(state, document)


CONVERSION = Conversion(
    library_name="openai_chat",
    history=CHAT.history,
    call_ids=CHAT.call_ids,
    functions=lambda request: [],
    schema_member=CHAT.schema_member,
    schemas=CHAT.schemas,
    parameters=CHAT.parameters,
    write_thinking=lambda *_: False,
    unsupported=lambda document: iter(()),
    stop_sequences=lambda document: None,
    response_format=lambda document: None,
    is_hosted=lambda tool: False,
    format_places=(),
    reasoning_places=(),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    write_format=nothing,
    stream_member="live",
    plain_text=plain_text,
    repair=repair,
    writer=lambda facts: DuoWriter(),
)
