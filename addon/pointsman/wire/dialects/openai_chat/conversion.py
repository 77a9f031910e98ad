"""How chat completions cross into other dialects, and back."""

from collections.abc import Iterator

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion import cache_marks
from pointsman.wire.conversion.allowed_tools import AllowedTools
from pointsman.wire.conversion.base import Conversion, Recipient
from pointsman.wire.conversion.fit_model import Parameters
from pointsman.wire.conversion.hosted_tools import unless_of_type
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, CallState, Kind, Piece, json_text
from pointsman.wire.conversion.malformed import Form
from pointsman.wire.conversion.optional_parameters import Places, Wanted, top
from pointsman.wire.conversion.response_format import ResponseFormat, openai_format
from pointsman.wire.conversion.schemas import OPENAI_STRICT_REFUSED, Subset
from pointsman.wire.conversion.thinking import COMMON, Thinking
from pointsman.wire.conversion.valid_requests import NOTHING_SAID
from pointsman.wire.dialects.openai_chat.allowed_tools import take_allowed
from pointsman.wire.dialects.openai_chat.answer_writer import ChatWriter
from pointsman.wire.dialects.openai_chat.history import EXTRA, HISTORY, signature_of, signed, thoughts_of
from pointsman.wire.json_access import Document, Members, count, dicts, mapping, mappings, text
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import UNSIGNED, is_of_google, requires_signatures


def unsupported(document: Members) -> Iterator[str]:
    count = document.get("n")
    if isinstance(count, int) and count > 1:
        yield f"n = {count} cannot be converted"
    if document.get("logprobs") or document.get("top_logprobs"):
        yield "logprobs cannot be converted"
    if document.get("functions") or document.get("function_call"):
        yield "`functions` cannot be converted; use `tools`"
    if any(tool.get("type") == "custom" for tool in mappings(document.get("tools"))):
        yield "custom tools cannot be converted"
    if "web_search_options" in document:
        yield "hosted tools cannot be converted: web search"


OPTIONAL: Places = {
    **top(
        "top_k", "min_p", "repetition_penalty", "seed", "logit_bias", "frequency_penalty", "presence_penalty",
        "metadata", "service_tier", "verbosity", "parallel_tool_calls", "store", "prediction",
    ),
    "user": (("user",), ("safety_identifier",)),
}  # fmt: skip


def response_format(document: Members) -> ResponseFormat | None:
    asked = mapping(document.get("response_format"))
    return openai_format(asked, mapping(asked.get("json_schema")))


def complete(document: Members, neutral: Document) -> None:
    """`top_k` is no parameter of OpenAI's, but of many who offer chat completions."""
    cache_marks.carry(document, neutral)
    if top_k := count(document.get("top_k")):
        neutral["generation"] = {**mapping(neutral.get("generation")), "top_k": top_k}


def write_optional(request: Document, wanted: Wanted) -> tuple[()]:
    if user := wanted.get("user"):
        request["user"] = user.value
    return ()


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """`max_tokens` is the name that all providers know, though newer models of OpenAI refuse it."""
    request.pop("reasoning", None)
    if tokens := request.pop("max_completion_tokens", None) or to.max_tokens:
        request.pop("max_tokens", None)
        request[to.facts.limit_name] = tokens
    for message in dicts(request.get("messages")):
        if not (
            to.reasons or to.facts.can_think or message.get("tool_calls")
        ):  # models that think between calls must be given that back
            message.pop("reasoning_content", None)
        _sign_calls(message, to.model)
    if to.cache_marks:
        cache_marks.mark_tools(request, neutral)


def _sign_calls(message: Document, model: str) -> None:
    """Google's models require the signatures of their calls, and a mark on the first of other calls; other models get
    neither.
    """
    calls = dicts(message.get("tool_calls"))
    if not is_of_google(model):
        for call in calls:
            call.pop(EXTRA, None)
    elif calls and requires_signatures(model):
        calls[0].setdefault(EXTRA, signed(UNSIGNED)[EXTRA])


def make_valid(request: Document) -> None:
    if not request.get("messages"):
        request["messages"] = [{"role": "user", "content": NOTHING_SAID}]


def write_format(asked: ResponseFormat, request: Document) -> None:
    if asked.schema is None:
        request["response_format"] = {"type": "json_object"}
        return
    schema = {"name": asked.name, "schema": asked.schema, "strict": asked.is_strict}
    request["response_format"] = {"type": "json_schema", "json_schema": schema}


def write_allowed(allowed: AllowedTools, request: Document) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in allowed.names]
    mode = "required" if allowed.must_call else "auto"
    request["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def write_thinking(request: Document, thinking: Thinking, facts: ModelFacts) -> bool:
    """By a word, whatever the model: providers that have chat completions make a budget of it where they need one."""
    request.pop("thinking", None)
    request.pop("reasoning_effort", None)
    if not facts.can_think:
        return False
    known = facts.efforts if facts.thinking == "effort" else COMMON
    if (thinking.is_on or facts.thinking == "effort") and (word := thinking.word(known)):
        request["reasoning_effort"] = word
    return thinking.is_on


def plain_text(document: Document) -> str | None:
    choices = document.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or document.get("usage"):
        return None
    choice = choices[0]
    is_plain = isinstance(choice, dict) and not choice.get("index") and choice.get("finish_reason") is None
    delta = choice.get("delta") if is_plain else None
    if not isinstance(delta, dict) or len(delta) != 1:
        return None
    content = delta.get("content")
    return content if isinstance(content, str) else None


ANSWERS = frozenset({"delta", "message", "finish_reason"})
"""What a choice says anything in."""


def repair(state: AnswerState, document: Document) -> Iterator[Piece]:
    """The first choice counts. Reasoning has two names, content may be parts. Some providers repeat the whole message
    at the end of a stream: of that, only calls and images can be news.
    """
    document["model"] = document.get("model") or state.identity.model  # without it the library would not see the id
    choices = dicts(document.get("choices"))
    choices = [choice for choice in choices if not choice.get("index") and not ANSWERS.isdisjoint(choice)]
    document["choices"] = choices
    for choice in choices:
        if state.spoken_ids and isinstance(message := choice.pop("message", None), dict):
            choice["delta"] = {**_missing_members(state, message), **mapping(choice.get("delta"))}
        for name in ("delta", "message"):
            if isinstance(said := choice.get(name), dict):
                said["role"] = "assistant"
                yield from _repair_message(said)
        if not ("delta" in choice or "message" in choice):
            choice["message"] = {"role": "assistant", "content": ""}
        if "message" in choice and not choice.get("delta"):
            choice["delta"] = choice["message"]


def _missing_members(state: AnswerState, message: Members) -> dict[str, object]:
    """Members for the calls and images of a whole message, if its stream has brought none."""
    received = {"tool_calls": bool(state.calls), "images": Kind.IMAGE in state.spoken_kinds}
    return {name: message[name] for name, is_received in received.items() if message.get(name) and not is_received}


def _repair_message(said: Document) -> Iterator[Piece]:
    said.pop("annotations", None)  # nothing is made of them, however they look
    thoughts = thoughts_of(said)
    said.pop("reasoning", None)
    if isinstance(said.get("content"), list):
        parts = dicts(said["content"])
        thoughts = thoughts or "".join(_texts(part.get("thinking")) for part in parts)
        said["content"] = "".join(text(part.get("text")) for part in parts)
    said["reasoning_content"] = thoughts or None
    if refusal := text(said.pop("refusal", None)):
        yield Piece(Kind.REFUSAL, refusal)


def calls(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Calls may lack ids and indexes, or share them; the legacy form has neither."""
    for choice in dicts(document.get("choices")):
        for said in dicts([choice.get("delta"), choice.get("message")]):
            yield from _images(said)
            for place, call in enumerate(dicts(said.pop("tool_calls", None))):
                yield piece_of_call(state, call, place)
            if isinstance(legacy := said.pop("function_call", None), dict):
                yield piece_of_call(state, {"function": legacy}, 0)


def _images(said: Document) -> Iterator[Piece]:
    """They stand beside the text, in a member that several providers have."""
    for image in dicts(said.pop("images", None)):
        if url := text(mapping(image.get("image_url")).get("url")):
            yield Piece(Kind.IMAGE, url)


def piece_of_call(state: AnswerState, call: Members, place: int) -> Piece:
    """More of a call, or another one. `place`: among the calls of its message, for one without an index."""
    function, given_id = mapping(call.get("function") or call.get("custom")), text(call.get("id"))
    name, more = text(function.get("name")), function.get("arguments", function.get("input"))
    key: object = call.get("index")
    if not isinstance(key, int):
        key = next((key for key, known in state.calls.items() if given_id and known.given_id == given_id), place)
    known = state.calls.get(key)
    if known and isinstance(call.get("index"), int) and _goes_on(known, given_id, name):
        known.name = name if name.startswith(known.name) else known.name + name
    elif known is None or (name and _is_another(known, given_id, name, more)):
        known = state.add_call(key, given_id, name)
    if signature := signature_of(call):
        state.signatures[known.id] = signature
    return known.add(more, name)


def _goes_on(known: CallState, given_id: str, name: str) -> bool:
    """Whether it is more of a name that comes in pieces, before any arguments."""
    is_same = bool(known.given_id) and given_id in ("", known.given_id)
    return is_same and bool(known.name) and bool(name) and name != known.name and not known.text.strip()


def _is_another(known: CallState, given_id: str, name: str, more: object) -> bool:
    """Whether what names itself again is another call under the same index."""
    if given_id and known.given_id and given_id != known.given_id:
        return True
    is_repeated = (
        bool(given_id) and name == known.name and ("" if more is None else json_text(more)) in ("", known.text)
    )
    return not is_repeated and (known.is_complete() or (bool(known.name) and name != known.name))


def _texts(value: object) -> str:
    return value if isinstance(value, str) else "".join(text(part.get("text")) for part in dicts(value))


def writer(facts: RequestFacts) -> ChatWriter:
    return ChatWriter(facts.asks_usage)


CONVERSION = Conversion(
    library_name="openai_chat",
    history=HISTORY,
    call_ids=Spelling(40),
    unsupported=unsupported,
    stop_sequences=lambda document: document.get("stop"),
    response_format=response_format,
    optional=OPTIONAL,
    is_hosted=unless_of_type("function", "custom"),
    request_forms={"tools": Form.OBJECTS, "tool_choice": Form.CHOICE},
    tool_forms={"function": Form.OBJECT},
    format_places=(("response_format",),),
    reasoning_places=(("reasoning_effort",), ("reasoning",)),
    effort_places=(("reasoning_effort",), ("reasoning", "effort")),
    take_allowed=take_allowed,
    own_places=(("prompt_cache_key",), ("stream_options",)),
    complete=complete,
    carried=frozenset(
        {"seed", "frequency_penalty", "presence_penalty", "user", "parallel_tool_calls", "disable_parallel_tool_use"}
    ),
    write_optional=write_optional,
    takes_cache_marks=lambda to: to.cache_marks,
    fix_up=fix_up,
    make_valid=make_valid,
    write_format=write_format,
    functions=lambda request: [tool["function"] for tool in dicts(request.get("tools")) if "function" in tool],
    schema_member="parameters",
    schemas=Subset(strict_refused=OPENAI_STRICT_REFUSED, strict_needs_all=True),
    can_allow=lambda _, facts: facts.allowed_tools,
    write_allowed=write_allowed,
    parameters=Parameters(("max_tokens", "max_completion_tokens"), stops=("stop",), most_stops=4),
    write_thinking=write_thinking,
    answer_forms={
        "delta": dict,
        "content": (str, list),
        "thinking": (str, list),
        "summary": (str, list),
        "logprobs": dict,
    },
    plain_text=plain_text,
    repair=repair,
    calls=calls,
    writer=writer,
)
