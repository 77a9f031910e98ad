"""How Responses cross into other dialects, and back."""

from collections.abc import Iterable, Iterator

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.allowed_tools import AllowedTools
from pointsman.wire.conversion.base import Conversion, Recipient, RequestedFeatures
from pointsman.wire.conversion.fit_model import Parameters
from pointsman.wire.conversion.hosted_tools import unless_of_type
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, CallState, Kind, Piece
from pointsman.wire.conversion.malformed import Form
from pointsman.wire.conversion.media import Media
from pointsman.wire.conversion.optional_parameters import Places, Wanted, top
from pointsman.wire.conversion.response_format import ResponseFormat, openai_format
from pointsman.wire.conversion.schemas import OPENAI_STRICT_REFUSED, Subset
from pointsman.wire.conversion.thinking import COMMON, Thinking
from pointsman.wire.conversion.valid_requests import NOTHING_SAID
from pointsman.wire.dialects.openai_chat.allowed_tools import take_allowed
from pointsman.wire.dialects.openai_responses.answer_writer import ResponsesWriter
from pointsman.wire.dialects.openai_responses.history import HISTORY
from pointsman.wire.dialects.openai_responses.tools import CALLS, CLIENT_TYPES, all_tools, free_tools, namespaces
from pointsman.wire.json_access import Document, Members, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts

ARGUMENTS_EVENTS = (
    "function_call_arguments.delta", "function_call_arguments.done", "custom_tool_call_input.delta",
    "custom_tool_call_input.done",
)  # fmt: skip

IMAGE = "image_generation_call"
PARTIAL_IMAGE = ".partial_image"
"""The end of an event's type: a draft of an image, which the item has whole when it is done."""

STORED = ("previous_response_id", "conversation", "prompt")
"""Members of a request that refer to what only one provider keeps."""
STORED_ITEMS = ("item_reference", "compaction")
"""Kinds of items that only one provider can read."""


def unsupported(document: Members) -> Iterator[str]:
    for name in STORED:
        if document.get(name):
            yield f"`{name}` is known only to the provider that issued it"
    if document.get("background"):
        yield "background answers cannot be converted"
    included = document.get("include")
    if document.get("top_logprobs") or (isinstance(included, list) and "message.output_text.logprobs" in included):
        yield "logprobs cannot be converted"
    if mapping(document.get("tool_choice")).get("type") not in (None, "function", "custom", "allowed_tools"):
        yield "this kind of `tool_choice` cannot be converted"
    for item in mappings(document.get("input")):
        if item.get("type") in STORED_ITEMS:
            yield f"`{item['type']}` is known only to the provider that issued it"


OPTIONAL: Places = {
    **top("metadata", "service_tier", "parallel_tool_calls", "max_tool_calls", "truncation"),
    "user": (("user",), ("safety_identifier",)),
    "verbosity": (("text", "verbosity"),),
}


def response_format(document: Members) -> ResponseFormat | None:
    asked = mapping(mapping(document.get("text")).get("format"))
    return openai_format(asked, asked)


def prepare(document: Document) -> None:
    """Tools that Codex adds within its items join the others."""
    document["tools"] = all_tools(document)


def cannot_express(requested: RequestedFeatures) -> Iterator[str]:
    if requested.has_stop_sequences:
        yield "openai-responses does not support stop sequences"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """No later request refers to this answer."""
    request["store"] = False
    if to.max_tokens:
        request.setdefault("max_output_tokens", to.max_tokens)


def make_valid(request: Document) -> None:
    """Something must be said, by the user: instructions alone are refused."""
    if not request.get("input"):
        said = text(request.pop("instructions", "")).strip() or NOTHING_SAID
        request["input"] = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}]


def write_format(asked: ResponseFormat, request: Document) -> None:
    if asked.schema is None:
        request["text"] = {"format": {"type": "json_object"}}
        return
    named = {"type": "json_schema", "name": asked.name, "schema": asked.schema, "strict": asked.is_strict}
    request["text"] = {"format": named}


def write_optional(request: Document, wanted: Wanted) -> tuple[()]:
    request |= {name: wanted[name].value for name in ("user", "service_tier") if name in wanted}
    if verbosity := wanted.get("verbosity"):
        request.setdefault("text", {})["verbosity"] = verbosity.value
    return ()


def write_allowed(allowed: AllowedTools, request: Document) -> None:
    tools = [{"type": "function", "name": name} for name in allowed.names]
    mode = "required" if allowed.must_call else "auto"
    request["tool_choice"] = {"type": "allowed_tools", "mode": mode, "tools": tools}


def write_thinking(request: Document, thinking: Thinking, facts: ModelFacts) -> bool:
    written = {name: value for name, value in mapping(request.pop("reasoning", None)).items() if name == "summary"}
    if not facts.can_think:
        return False
    if word := thinking.word(facts.efforts or COMMON):
        request["reasoning"] = {"effort": word, **written}
    return thinking.is_on


def plain_text(document: Document) -> str | None:
    if document.get("type") != "response.output_text.delta":
        return None
    delta = document.get("delta")
    return delta if isinstance(delta, str) else None


def repair(state: AnswerState, document: Document) -> Iterable[Piece]:
    if document.get("type") == "response.reasoning_text.delta":
        document["type"] = "response.reasoning_summary_text.delta"
    for place, item in enumerate(dicts(document.get("output"))):
        if item.get("type") == IMAGE:
            _put_message(item, [state.mark_image(url) for url in _image(item)])
        elif item.get("type") in CALLS:
            known = state.calls.get(place) or state.add_call(place, item.get("call_id"), item.get("name"))
            member = CALLS[item["type"]]
            if not known.text:
                known.add(item.get(member))
            item.update({"call_id": known.id, "name": known.name, member: "{}"})
    return ()


def _put_message(item: Document, texts: list[str]) -> None:
    """In place of what an item was."""
    item.clear()
    content = [{"type": "output_text", "text": each, "annotations": []} for each in texts]
    item.update({"type": "message", "role": "assistant", "content": content})


def _image(item: Members) -> Iterator[str]:
    if result := text(item.get("result")):
        kind = text(item.get("output_format")) or "png"
        yield Media(f"image/{kind}", result).data_url()


def calls(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Some providers give the arguments of a call only when these, their item or the answer is done, and some give the
    whole call only then.
    """
    kind, item = text(document.get("type")), mapping(document.get("item"))
    if kind.endswith(ARGUMENTS_EVENTS):
        more = document.get("delta", document.get("arguments", document.get("input")))
        if call := _known_call(state, document):
            yield from _missing_arguments(call, more) if kind.endswith(".done") else (call.add(more),)
        document.clear()
    elif kind.startswith("response.output_item.") and item.get("type") in CALLS:
        call = _known_call(state, document) or _new_call(state, document.get("output_index"), item)
        yield from _missing_arguments(call, item.get(CALLS[item["type"]]))
        yield call.add("", text(item.get("name")))._replace(is_last=kind.endswith(".done"))
        document.clear()
    elif kind == "response.output_item.done" and item.get("type") == IMAGE:
        yield from (Piece(Kind.IMAGE, url) for url in _image(item))
        document.clear()
    elif kind.endswith(PARTIAL_IMAGE):
        state.left_out.add("partial images")
        document.clear()
    elif state.spoken_ids and (whole := repeated_answer(document)):
        yield from _missing_items(state, whole)


def _new_call(state: AnswerState, place: object, item: Members) -> CallState:
    """Where a place has a call already, ids tell them apart from now on: some providers give all items one place."""
    item_id = item.get("id")
    if item_id and place in state.calls:
        state.calls["shared", place] = state.calls.pop(place)
    is_place_known = place is not None and ("shared", place) not in state.calls
    call = state.add_call(place if is_place_known else ("item", item_id), item.get("call_id"), item.get("name"))
    if item_id:
        state.calls["item", item_id] = call
    state.calls["call", call.given_id] = call
    return call


def _known_call(state: AnswerState, document: Members) -> CallState | None:
    """By its place in the output, or by the id of its item. What is added at a new place is a new call: some providers
    give several items the same id.
    """
    place, item = document.get("output_index"), mapping(document.get("item"))
    item_id, call_id = document.get("item_id") or item.get("id"), item.get("call_id")
    is_added = document.get("type") == "response.output_item.added"
    call = state.calls.get(place)
    if call and not (call_id and call.given_id and call_id != call.given_id):
        return call
    if is_added and place is not None:
        return None
    if known := state.calls.get(("item", item_id)) if item_id else None:
        return known
    return state.calls.get(("call", call_id)) if call else None


def _missing_arguments(call: CallState, whole: object) -> Iterator[Piece]:
    """The arguments that are said at the end, unless they were said before."""
    if whole and not call.text.strip():
        yield call.add(whole)


def _missing_items(state: AnswerState, answer: Members) -> Iterator[Piece]:
    """What the last event has that no event before it had."""
    ids = {call.given_id for call in state.calls.values()}
    for place, item in enumerate(mappings(answer.get("output"))):
        if item.get("type") in CALLS:
            call = state.calls.get(place) or state.calls.get(("item", item.get("id")))
            if call is None and item.get("call_id") not in ids:
                call = _new_call(state, place, item)
            if call:
                yield from _missing_arguments(call, item.get(CALLS[item["type"]]))
                yield call.add("")._replace(is_last=True)
        elif item.get("type") == IMAGE and Kind.IMAGE not in state.spoken_kinds:
            yield from (Piece(Kind.IMAGE, url) for url in _image(item))
        elif item.get("type") == "message" and not state.spoken_kinds & {Kind.TEXT, Kind.REFUSAL}:
            for part in mappings(item.get("content")):
                yield Piece(Kind.TEXT, text(part.get("text")))


def repeated_answer(document: Document) -> Document | None:
    if document.get("type") not in ("response.completed", "response.incomplete"):
        return None
    answer = document.get("response")
    return answer if isinstance(answer, dict) else None


def writer(facts: RequestFacts) -> ResponsesWriter:
    return ResponsesWriter(facts.document, namespaces(facts.document))


CONVERSION = Conversion(
    library_name="openai_responses",
    history=HISTORY,
    call_ids=Spelling(64),
    unsupported=unsupported,
    stop_sequences=lambda document: None,
    response_format=response_format,
    optional=OPTIONAL,
    is_hosted=unless_of_type(*CLIENT_TYPES),
    free_tools=free_tools,
    request_forms={"tools": Form.OBJECTS, "tool_choice": Form.CHOICE},
    format_places=(("text", "format"),),
    effort_places=(("reasoning", "effort"),),
    take_allowed=take_allowed,
    reasoning_places=(("reasoning",),),
    own_places=(("prompt_cache_key",), ("prompt_cache_retention",)),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    make_valid=make_valid,
    carried=frozenset({"user", "service_tier", "verbosity", "parallel_tool_calls", "disable_parallel_tool_use"}),
    write_optional=write_optional,
    write_format=write_format,
    functions=lambda request: [tool for tool in dicts(request.get("tools")) if tool.get("type") == "function"],
    schema_member="parameters",
    schemas=Subset(strict_refused=OPENAI_STRICT_REFUSED, strict_needs_all=True),
    can_allow=lambda *_: True,
    write_allowed=write_allowed,
    parameters=Parameters(("max_output_tokens",), least_limit=16),
    write_thinking=write_thinking,
    answer_forms={"delta": str, "content": list},
    plain_text=plain_text,
    repair=repair,
    calls=calls,
    repeated_answer=repeated_answer,
    writer=writer,
)
