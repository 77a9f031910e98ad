"""Every kind of conversation, from clients of every dialect to providers of every dialect, streamed and whole.

What the router passes on, either way, is judged by the types of the vendors' SDKs (`dialect_validators`), and read by
plain parties of each dialect, which must find what was said. The parties themselves are judged likewise.
"""

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.wire.conversion.codec import Codec, codec_for
from pointsman.wire.conversion.unsupported import unsupported
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.sse import Decoder, event
from support.conversations import CONVERSATIONS, PNG, TOOLS, Answer, Asked, Call, Said, Turn, switched
from support.dialect_validators import check_answer, check_event, check_request
from support.parties import PARTIES

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
ENTRY = Provider(name="p", base_url="http://127.0.0.1:9/v1")
PAIRS = [*itertools.product(Dialect, Dialect)]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c} to {p}" for c, p in PAIRS])
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
both_forms = pytest.mark.parametrize("is_other_form", [False, True], ids=["as asked", "in the other form"])
IDS = {CHAT: r"[\w-]{1,40}", RESPONSES: r"[\w-]{1,64}", ANTHROPIC: r"[\w-]{1,64}", GEMINI: r".+"}
"""Of calls, as the vendors take them."""
NAME = r"[a-zA-Z][\w-]{0,63}"
"""Of a tool, as every vendor takes it."""
IS_NAMED = {CHAT: False, RESPONSES: True, ANTHROPIC: True, GEMINI: False}
"""Whether the events of a stream bear their types."""


FORM = {
    "type": "object",
    "properties": {"track": {"type": "integer"}},
    "required": ["track"],
    "additionalProperties": False,
}


class Conversation:
    """One conversation of a client of one dialect, with providers of any.

    `comes_streamed`: how providers answer, whatever is asked. `as_list`: a client of Gemini's wants its stream as one
    JSON list.
    """

    def __init__(
        self, client: Dialect, stream: bool, comes_streamed: bool | None = None, as_list: bool = False
    ) -> None:
        self.client, self.stream, self._as_list = client, stream, as_list
        self._comes_streamed = stream if comes_streamed is None else comes_streamed
        self._party = PARTIES[client]
        self._items: list[Any] = []
        self._pending: list[Call] = []
        self._heard = Asked(tools=list(TOOLS))
        self._images = 0
        self._ids: dict[int, dict[Dialect, str]] = {}
        self._names: dict[Dialect, dict[str, str]] = {}
        """What tools are called towards each dialect."""

    def take(self, turn: Turn, provider: Dialect) -> None:
        """The client asks, the provider answers, and the client keeps the answer. Fails where something is lost."""
        self._ask(turn)
        codec = self._sent(provider)
        names = self._names[provider]
        calls = tuple(call._replace(name=names[call.name]) for call in turn.answer.calls)
        said = self._answered(codec, provider, turn.answer._replace(calls=calls))
        self._compare(said, turn.answer, provider)
        self._items += said.items
        self._pending = said.calls
        self._heard.assistant += [text] if (text := said.text + said.refusal) else []
        self._heard.calls += [(call.id, call.name, json.loads(call.arguments or "{}")) for call in whole_calls(said)]

    def _ask(self, turn: Turn) -> None:
        if turn.results:
            self._items += self._party.results(self._pending, turn.results)
            self._heard.results += [(call.id, r.text) for call, r in zip(self._pending, turn.results, strict=True)]
            self._images += sum(bool(result.image) for result in turn.results)
        if turn.user:
            self._items += self._party.question(turn.user)
            self._heard.user.append(turn.user)

    def _sent(self, provider: Dialect) -> Codec:
        """The codec of the attempt, its request judged."""
        path, document = self._party.request(self._items, self.stream)
        path = path.removesuffix("?alt=sse") if self._as_list else path
        check_request(self.client, {**document}, self.stream)
        body = json.dumps(document).encode()
        facts = DIALECTS[self.client].facts(body, path)
        assert unsupported(DIALECTS[self.client], DIALECTS[provider], facts) == ""
        listener = Listener(facts, request_id=f"r{len(self._items)}", started=1.0)
        codec = codec_for(DIALECTS[self.client], DIALECTS[provider], listener, ENTRY, True)
        sent, _ = codec.outbound(body, "m")
        got = json.loads(sent)
        check_request(provider, got, self.stream)
        self._compare_request(PARTIES[provider].asked(got), provider)
        assert sent.count(PNG.encode()) == self._images
        return codec

    def _compare_request(self, asked: Asked, provider: Dialect) -> None:
        heard, is_alike = self._heard, provider is self.client
        names = self._names.setdefault(provider, dict(zip(heard.tools, asked.tools, strict=True)))
        assert [*names.values()] == asked.tools, "names are stable over turns"
        refuses_blanks = provider is ANTHROPIC and not is_alike
        assert asked.user == ["." if refuses_blanks and not text.strip() else text for text in heard.user]
        assert asked.faults == [] or is_alike
        assert "".join(asked.assistant) == "".join(heard.assistant)
        assert [call[1:] for call in asked.calls] == [(names[name], said) for _, name, said in heard.calls]
        assert [text for _, text in asked.results] == [text for _, text in heard.results]
        made = [call_id for call_id, *_ in asked.calls]
        assert [call_id for call_id, _ in asked.results] == made
        if is_alike:
            assert asked.tools == heard.tools
        else:
            assert [name for name in asked.tools if not re.fullmatch(NAME, name, re.ASCII)] == []
            assert len({*made}) == len(made), "ids are unique over the history"
            assert [call_id for call_id in made if not re.fullmatch(IDS[provider], call_id, re.ASCII)] == []
            for place, call_id in enumerate(made):
                known = self._ids.setdefault(place, {}).setdefault(provider, call_id)
                assert known == call_id, "ids are stable over turns"

    def _answered(self, codec: Codec, provider: Dialect, answer: Answer) -> Said:
        """What the client reads of the answer, which is judged."""
        if self._comes_streamed:
            documents = PARTIES[provider].events(answer)
            for each in documents:
                check_event(provider, each)
            if self._as_list and provider is self.client:
                got = through(codec, "application/json", [json.dumps(documents).encode()])
            else:
                got = through(codec, "text/event-stream", encoded(provider, documents))
        else:
            document = PARTIES[provider].whole(answer)
            check_answer(provider, document)
            got = through(codec, "application/json", [json.dumps(document).encode()])
        return self._read_stream(got) if self.stream else self._read_whole(got)

    def _read_whole(self, got: bytes) -> Said:
        document = json.loads(got)
        check_answer(self.client, document)
        return self._party.read_whole(document)

    def _read_stream(self, got: bytes) -> Said:
        if self._as_list:
            elements = json.loads(got)
            for each in elements:
                check_event(self.client, each)
            return self._party.read_stream(elements)
        events = [each for each in Decoder().feed(got) if each.data]
        if self.client is CHAT:
            assert events.pop().data == b"[DONE]"
        received = [json.loads(each.data or b"") for each in events]
        for each in received:
            check_event(self.client, each)
        if IS_NAMED[self.client]:
            named = re.findall(rb"^event: (.+)$", got, re.MULTILINE)
            assert [each.decode() for each in named] == [each["type"] for each in received]
        return self._party.read_stream(received)

    def _compare(self, said: Said, answer: Answer, provider: Dialect) -> None:
        is_alike = provider is self.client
        image = "" if provider is ANTHROPIC else answer.image  # its models make none
        told = f"[image/png image, {shown_size(image)} kB: cannot be shown here]"
        is_told = bool(image) and self.client is ANTHROPIC
        assert said.text + said.refusal == answer.text + answer.refusal + (told if is_told else "")
        assert said.image == ("" if is_told else image)
        assert said.reasoning == answer.reasoning
        assert bool(said.refusal) == bool(answer.refusal and {self.client, provider} <= {CHAT, RESPONSES})
        ends = {"stop", "content_filter"} if answer.refusal else {answer.finish}
        assert said.finish in ends
        assert [(call.name, read(call.arguments)) for call in said.calls] == self._calls(answer, provider)
        if not is_alike:
            ids = [call.id for call in said.calls]
            assert len({*ids}) == len(ids)
            assert [call_id for call_id in ids if not re.fullmatch(IDS[self.client], call_id, re.ASCII)] == []

    def _calls(self, answer: Answer, provider: Dialect) -> list[tuple[str, Any]]:
        """Those that the client is to read. What is cut is told as far as the dialects can."""
        told: list[tuple[str, Any]] = []
        for call in answer.calls:
            arguments = read(call.arguments)
            if isinstance(arguments, str):  # cut
                if (self.client is ANTHROPIC and not self.stream) or (
                    provider is ANTHROPIC and not self._comes_streamed
                ):
                    arguments = {}
                if provider is GEMINI or (self.client is GEMINI and arguments):
                    continue
            told.append((call.name, arguments))
        return told


def shown_size(image: str) -> int:
    return -(-(len(image) * 3 // 4) // 1000)


def whole_calls(said: Said) -> list[Call]:
    return [call for call in said.calls if not isinstance(read(call.arguments), str)]


def read(arguments: str) -> Any:
    """The object, or the text if it is cut."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def encoded(dialect: Dialect, documents: Sequence[Mapping[str, Any]]) -> Iterable[bytes]:
    for each in documents:
        data = json.dumps(each).encode()
        yield event(each["type"], data) if IS_NAMED[dialect] else b"data: " + data + b"\n\n"
    if dialect is CHAT:
        yield b"data: [DONE]\n\n"


def through(codec: Codec, content_type: str, chunks: Iterable[bytes]) -> bytes:
    """What the client gets of the provider's bytes."""
    reader = codec.reader(200, content_type)
    frames = [frame for chunk in chunks for frame in reader.read(chunk)] + [*reader.close()]
    assert [frame.fault for frame in frames if frame.fault] == []
    assert reader.finished
    return b"".join(frame.data for frame in frames)


@both_forms
@both_ways
@every_pair
@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_every_kind_crosses(kind: str, client: Dialect, provider: Dialect, stream: bool, is_other_form: bool) -> None:
    conversation = Conversation(client, stream, stream is not is_other_form)
    for turn in CONVERSATIONS[kind]:
        conversation.take(turn, provider)


@both_forms
@pytest.mark.parametrize("provider", Dialect)
@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_every_kind_reaches_a_client_that_wants_a_list(kind: str, provider: Dialect, is_other_form: bool) -> None:
    conversation = Conversation(GEMINI, stream=True, comes_streamed=not is_other_form, as_list=True)
    for turn in CONVERSATIONS[kind]:
        conversation.take(turn, provider)


@both_ways
@pytest.mark.parametrize("client", Dialect)
def test_thirty_turns_with_another_dialect_each(client: Dialect, stream: bool) -> None:
    conversation = Conversation(client, stream)
    for turn, provider in zip(switched(30), itertools.cycle(Dialect), strict=False):
        conversation.take(turn, provider)


PARAMETERS: Mapping[Dialect, Mapping[str, Any]] = {
    CHAT: {
        "max_completion_tokens": 3000, "temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tool_choice": "required",
        "parallel_tool_calls": False, "reasoning_effort": "high", "seed": 7, "user": "u", "presence_penalty": 0.1,
        "frequency_penalty": 0.1, "metadata": {"k": "v"}, "service_tier": "auto", "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "form", "schema": FORM, "strict": True}},
    },
    RESPONSES: {
        "max_output_tokens": 3000, "temperature": 0.5, "top_p": 0.9, "tool_choice": "required",
        "parallel_tool_calls": False, "reasoning": {"effort": "high", "summary": "auto"}, "user": "u",
        "metadata": {"k": "v"}, "store": False, "include": ["reasoning.encrypted_content"], "truncation": "auto",
        "text": {"format": {"type": "json_schema", "name": "form", "schema": FORM, "strict": True}, "verbosity": "low"},
    },
    ANTHROPIC: {
        "max_tokens": 3000, "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["END"],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True}, "metadata": {"user_id": "u"},
        "thinking": {"type": "enabled", "budget_tokens": 2000}, "service_tier": "auto",
        "output_config": {"format": {"type": "json_schema", "schema": FORM}},
    },
    GEMINI: {
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "generationConfig": {
            "maxOutputTokens": 3000, "temperature": 0.5, "topP": 0.9, "topK": 5, "stopSequences": ["END"], "seed": 7,
            "presencePenalty": 0.1, "thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True},
            "responseMimeType": "application/json", "responseJsonSchema": FORM,
        },
    },
}  # fmt: skip
"""What clients ask beside the conversation, each of it at once."""
MODELS = ("m", "gpt-5.1", "claude-sonnet-4-5", "claude-opus-4-6", "gemini-3-pro")


@both_ways
@every_pair
@pytest.mark.parametrize("model", MODELS)
def test_parameters_are_of_the_providers_dialect(model: str, client: Dialect, provider: Dialect, stream: bool) -> None:
    """Each alone, and all of them. Responses know no stop sequences, so that no such request gets there."""
    given = without_stops(PARAMETERS[client]) if provider is RESPONSES else PARAMETERS[client]
    for names in ([*given], *([name] for name in given)):
        path, document = PARTIES[client].request(PARTIES[client].question("Which track?"), stream)
        document |= {name: given[name] for name in names}
        check_request(client, document, stream)
        body = json.dumps(document).encode()
        facts = DIALECTS[client].facts(body, path)
        assert unsupported(DIALECTS[client], DIALECTS[provider], facts) == ""
        codec = codec_for(DIALECTS[client], DIALECTS[provider], Listener(facts, request_id="r"), ENTRY, True)
        check_request(provider, json.loads(codec.outbound(body, model)[0]), stream)


def without_stops(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: without_stops(each) for name, each in value.items() if not name.startswith("stop")}


VALUES: Mapping[str, tuple[Any, Mapping[Dialect, str]]] = {
    "temperature": (0.5, dict.fromkeys(Dialect, "temperature")),
    "top_p": (0.25, {**dict.fromkeys(Dialect, "top_p"), GEMINI: "topP"}),
    "top_k": (5, {CHAT: "top_k", ANTHROPIC: "top_k", GEMINI: "topK"}),
    "limit": (3000, {
        CHAT: "max_tokens", RESPONSES: "max_output_tokens", ANTHROPIC: "max_tokens", GEMINI: "maxOutputTokens",
    }),
    "stop": (["END", "FIN"], {CHAT: "stop", ANTHROPIC: "stop_sequences", GEMINI: "stopSequences"}),
    "seed": (7, {CHAT: "seed", GEMINI: "seed"}),
    "presence": (0.1, {CHAT: "presence_penalty", GEMINI: "presencePenalty"}),
    "frequency": (0.2, {CHAT: "frequency_penalty", GEMINI: "frequencyPenalty"}),
    "user": ("u", {CHAT: "user", RESPONSES: "user", ANTHROPIC: "metadata.user_id"}),
    "metadata": ({"k": "v"}, {CHAT: "metadata", RESPONSES: "metadata", GEMINI: "labels"}),
    "tier": ("priority", {CHAT: "service_tier", RESPONSES: "service_tier", ANTHROPIC: "service_tier"}),
    "verbosity": ("low", {CHAT: "verbosity", RESPONSES: "text.verbosity"}),
    "parallel": (False, {CHAT: "parallel_tool_calls", RESPONSES: "parallel_tool_calls"}),
    "bias": ({"50256": -100}, {CHAT: "logit_bias"}),
    "safety": ([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}], {GEMINI: "safetySettings"}),
}  # fmt: skip
"""Each with its value, and where the dialects that have it have it."""
TAKEN: Mapping[str, tuple[tuple[Dialect, Dialect], ...]] = {
    "top_k": ((CHAT, ANTHROPIC), (CHAT, GEMINI), (ANTHROPIC, GEMINI), (GEMINI, ANTHROPIC)),
    "user": ((CHAT, RESPONSES), (RESPONSES, CHAT), (CHAT, ANTHROPIC), (RESPONSES, ANTHROPIC)),
    "metadata": (),
    "tier": ((CHAT, RESPONSES),),
    "verbosity": ((CHAT, RESPONSES),),
}
"""Those that do not reach every dialect that has them: from which to which they go."""


@pytest.mark.parametrize(("client", "provider"), [pair for pair in PAIRS if pair[0] is not pair[1]])
@pytest.mark.parametrize("name", VALUES)
def test_a_value_arrives_or_its_loss_is_named(name: str, client: Dialect, provider: Dialect) -> None:
    value, places = VALUES[name]
    if client not in places:
        return
    path, document = PARTIES[client].request(PARTIES[client].question("Which track?"), False)
    put(document, places[client], value, client)
    body = json.dumps(document).encode()
    facts = DIALECTS[client].facts(body, path)
    if why := unsupported(DIALECTS[client], DIALECTS[provider], facts):
        assert (name, provider, "stop sequences" in why) == ("stop", RESPONSES, True)
        return
    codec = codec_for(DIALECTS[client], DIALECTS[provider], Listener(facts, request_id="r"), ENTRY, True)
    sent = json.loads(codec.outbound(body, "m")[0])
    word = places[client].rpartition(".")[2]
    if name == "parallel" and provider is ANTHROPIC:
        assert sent["tool_choice"]["disable_parallel_tool_use"] is True
    elif provider in places and (client, provider) in TAKEN.get(name, PAIRS):
        assert (found(sent, places[provider], provider), codec.remark) == (value, "")
    else:
        is_own = word == "user_id"  # which Claude Code sends, unasked
        told = "" if is_own else f"without {word}: the dialect has no such parameter"
        assert (codec.remark, json.dumps(value) in json.dumps(sent)) == (told, False)


def put(document: dict[str, Any], place: str, value: Any, dialect: Dialect) -> None:
    *outer, last = place.split(".")
    is_config = dialect is GEMINI and last not in ("labels", "safetySettings")
    for member in ("generationConfig", *outer) if is_config else outer:
        document = document.setdefault(member, {})
    document[last] = value


def found(document: Any, place: str, dialect: Dialect) -> Any:
    for member in (*(("generationConfig",) if dialect is GEMINI else ()), *place.split(".")):
        document = document[member]
    return document
