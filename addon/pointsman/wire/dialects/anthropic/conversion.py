"""How Anthropic's Messages cross into other dialects, and back."""

import re
from collections.abc import Iterable, Iterator

from pointsman.model_facts import ModelFacts
from pointsman.wire.conversion.base import Conversion, Recipient, RequestedFeatures
from pointsman.wire.conversion.fit_model import Parameters
from pointsman.wire.conversion.hosted_tools import unless_of_type
from pointsman.wire.conversion.identifiers import Spelling
from pointsman.wire.conversion.ir import AnswerState, Kind, Piece
from pointsman.wire.conversion.malformed import Form
from pointsman.wire.conversion.optional_parameters import Places, Wanted, top
from pointsman.wire.conversion.response_format import ResponseFormat
from pointsman.wire.conversion.schemas import ANTHROPIC_STRICT_REFUSED, Subset
from pointsman.wire.conversion.thinking import Thinking
from pointsman.wire.dialects.anthropic.answer_writer import MessagesWriter
from pointsman.wire.dialects.anthropic.billing_line import without_line
from pointsman.wire.dialects.anthropic.history import HISTORY
from pointsman.wire.dialects.anthropic.valid_request import make_valid
from pointsman.wire.json_access import Document, Members, dicts, mapping, text
from pointsman.wire.request_facts import RequestFacts

DEFAULT_TOKENS = 8192
"""The limit of an answer where neither client nor configuration names one: Anthropic requires one."""
LEAST_BUDGET = 1024
"""Tokens of thinking that Anthropic takes."""
USER_ID = re.compile(r"(?=.*[A-Za-z])[\w.:-]{1,256}", re.ASCII)
"""Anthropic refuses addresses of mail and numbers of telephones."""
CACHE_MARKS = 4
"""As many `cache_control` as Anthropic takes in one request."""


def unsupported(document: Members) -> Iterator[str]:
    if document.get("mcp_servers") or document.get("container"):
        yield "hosted tools cannot be converted: mcp_servers, container"


OPTIONAL: Places = {
    **top("top_k"),
    "anthropic_service_tier": (("service_tier",),),
    "disable_parallel_tool_use": (("tool_choice", "disable_parallel_tool_use"),),
}


def response_format(document: Members) -> ResponseFormat | None:
    config = mapping(document.get("output_config"))
    asked = mapping(config.get("format") or document.get("output_format"))
    return ResponseFormat(mapping(asked.get("schema"))) if asked.get("type") == "json_schema" else None


def prepare(document: Document) -> None:
    if "system" in document:
        document["system"] = without_line(document["system"])
    if not document.get("system"):
        document.pop("system", None)


def cannot_express(requested: RequestedFeatures) -> Iterator[str]:
    if requested.response_format and requested.response_format.schema is None:
        yield "anthropic does not support JSON output without a schema"


def fix_up(request: Document, to: Recipient, neutral: Members) -> None:
    """After a call without its thoughts, thinking is refused."""
    if _has_calls(request):
        request.pop("thinking", None)
    _limit_cache_marks(request)
    if not request.get("max_tokens"):
        request["max_tokens"] = to.max_tokens or DEFAULT_TOKENS


def _limit_cache_marks(request: Document) -> None:
    """The last ones stay: what is cached up to there includes what stands before."""
    system = request.get("system")
    blocks = [*dicts(request.get("tools")), *dicts(system)]
    blocks += [block for message in dicts(request.get("messages")) for block in dicts(message.get("content"))]
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-CACHE_MARKS]:
        del block["cache_control"]


def write_optional(request: Document, wanted: Wanted) -> Iterator[str]:
    user = wanted.get("user")
    if user and isinstance(user.value, str) and USER_ID.fullmatch(user.value):
        request["metadata"] = {"user_id": user.value}
    elif user:
        yield f"without {user.given_as}: Anthropic takes no name or address"


def write_format(asked: ResponseFormat, request: Document) -> None:
    config = request.setdefault("output_config", {})
    config["format"] = {"type": "json_schema", "schema": asked.schema or {"type": "object"}}


def write_thinking(request: Document, thinking: Thinking, facts: ModelFacts) -> bool:
    """A budget must be less than the limit of the answer; after a call without its thoughts, thinking is refused."""
    request.pop("thinking", None)
    config = {name: value for name, value in mapping(request.pop("output_config", None)).items() if name != "effort"}
    if config:
        request["output_config"] = config
    if not thinking.is_on and facts.thinks_by_default:
        request["thinking"] = {"type": "disabled"}
    if not (thinking.is_on and facts.can_think) or _has_calls(request):
        return False
    if facts.thinking == "adaptive":
        request["thinking"] = {"type": "adaptive"}
        request["output_config"] = {**config, "effort": thinking.word(facts.efforts)}
        return True
    tokens, limit = thinking.tokens(facts), request["max_tokens"]
    if tokens >= limit:
        tokens = max(limit * 3 // 4, LEAST_BUDGET)  # the answer needs some of the limit, too
    if tokens >= limit:
        return False
    request["thinking"] = {"type": "enabled", "budget_tokens": tokens}
    return True


def _has_calls(request: Members) -> bool:
    return any(block["type"] == "tool_use" for message in request["messages"] for block in message["content"])


def plain_text(document: Document) -> str | None:
    delta = document.get("delta")
    if not isinstance(delta, dict) or delta.get("type") != "text_delta":
        return None
    said = delta.get("text")
    return said if isinstance(said, str) else None


def repair(state: AnswerState, document: Document) -> Iterable[Piece]:
    """The library would add words of its own to a refusal; the finish reason is known without it."""
    document["role"] = "assistant"
    if document.get("stop_reason") == "refusal" and not _explanation(document):
        document["stop_reason"] = "end_turn"
    for place, block in enumerate(dicts(document.get("content"))):
        if block.get("type") == "tool_use":
            call = state.add_call(place, block.get("id"), block.get("name"))
            call.add(block.get("input"))
            block.update({"id": call.id, "name": call.name, "input": {}})
        elif "input" in block:
            block["input"] = {}  # of a tool that the provider runs
    return ()


def calls(state: AnswerState, document: Document) -> Iterator[Piece]:
    """An event about a call is about nothing else."""
    key, block = document.get("index"), mapping(document.get("content_block"))
    match document.get("type"):
        case "content_block_start" if block.get("type") == "tool_use":
            document.clear()
            yield state.add_call(key, block.get("id"), block.get("name")).add(block.get("input") or "")
        case "content_block_delta" if (delta := mapping(document.get("delta"))).get("type") == "input_json_delta":
            document.clear()
            if call := state.calls.get(key):
                yield call.add(delta.get("partial_json"))
        case "content_block_stop" if call := state.calls.get(key):
            yield call.add("")._replace(is_last=True)


def late(state: AnswerState, document: Document) -> Iterator[Piece]:
    """Some providers open a block with its content in it. Why a model refuses stands beside the finish reason."""
    if explanation := _explanation(mapping(document.get("delta"))):
        yield Piece(Kind.REFUSAL, explanation)
    if document.get("type") != "content_block_start":
        return
    block = mapping(document.get("content_block"))
    if said := text(block.get("text")):
        yield Piece(Kind.TEXT, said)
    elif said := text(block.get("thinking")):
        yield Piece(Kind.THOUGHT, said)


def _explanation(ending: Members) -> str:
    return text(mapping(ending.get("stop_details")).get("explanation"))


def writer(facts: RequestFacts) -> MessagesWriter:
    return MessagesWriter(facts.model)


CONVERSION = Conversion(
    library_name="anthropic",
    history=HISTORY,
    call_ids=Spelling(64),
    unsupported=unsupported,
    stop_sequences=lambda document: document.get("stop_sequences"),
    response_format=response_format,
    optional=OPTIONAL,
    is_hosted=unless_of_type(None, "custom"),
    request_forms={"tools": Form.OBJECTS, "tool_choice": Form.CHOICE, "output_config": Form.OBJECT},
    format_places=(("output_config", "format"), ("output_format",)),
    reasoning_places=(("thinking",), ("output_config", "effort")),
    effort_places=(("output_config", "effort"),),
    own_places=(("metadata",), ("context_management",)),
    prepare=prepare,
    cannot_express=cannot_express,
    fix_up=fix_up,
    make_valid=make_valid,
    refuses_blank_stops=True,
    carried=frozenset({"top_k", "user", "parallel_tool_calls"}),
    write_optional=write_optional,
    takes_cache_marks=lambda _: True,
    write_format=write_format,
    functions=lambda request: dicts(request.get("tools")),
    schema_member="input_schema",
    schemas=Subset(strict_refused=ANTHROPIC_STRICT_REFUSED, strict_moves=True),
    parameters=Parameters(("max_tokens",)),
    write_thinking=write_thinking,
    answer_forms={"delta": dict, "content": list},
    plain_text=plain_text,
    repair=repair,
    calls=calls,
    late=late,
    writer=writer,
)
