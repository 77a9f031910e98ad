"""Parameters that a request keeps its meaning without: what crosses, and what is said of the rest."""

import copy
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.optional_parameters import wanted_in
from pointsman.wire.conversion.requests import convert
from pointsman.wire.dialects.registry import DIALECTS

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
HI = [{"role": "user", "content": "hi"}]
LEAST: dict[Dialect, dict[str, Any]] = {
    CHAT: {"messages": HI},
    RESPONSES: {"input": "hi"},
    ANTHROPIC: {"messages": HI, "max_tokens": 99},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def sent(client: Dialect, provider: Dialect, **more: Any) -> tuple[dict[str, Any], list[str]]:
    remarks: list[str] = []
    document = {"model": "x", **copy.deepcopy(LEAST[client]), **copy.deepcopy(more)}
    to = Recipient("m")
    return convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, document, to, remarks=remarks), remarks


def without(*names: str) -> list[str]:
    return [f"without {', '.join(names)}: the dialect has no such parameter"]


SAMPLING = {"seed": 0, "frequency_penalty": 0.5, "logit_bias": {"1": 2}}
LOST: list[tuple[Dialect, Dialect, dict[str, Any], list[str]]] = [
    (ANTHROPIC, CHAT, {"top_k": 7}, ["top_k"]),
    (ANTHROPIC, RESPONSES, {"top_k": 7}, ["top_k"]),
    (GEMINI, CHAT, {"generationConfig": {"topK": 7}}, ["topK"]),
    (GEMINI, CHAT, {"generation_config": {"top_k": 7}}, ["top_k"]),
    (GEMINI, RESPONSES, {"generationConfig": {"topK": 7, "seed": 3}}, ["topK", "seed"]),
    (GEMINI, ANTHROPIC, {"safetySettings": [{"category": "c", "threshold": "t"}]}, ["safetySettings"]),
    (CHAT, RESPONSES, {**SAMPLING, "top_k": 7}, ["top_k", "seed", "logit_bias", "frequency_penalty"]),
    (CHAT, ANTHROPIC, SAMPLING, ["seed", "logit_bias", "frequency_penalty"]),
    (CHAT, GEMINI, {**SAMPLING, "user": "u-1"}, ["logit_bias", "user"]),
    (CHAT, ANTHROPIC, {"metadata": {"k": "v"}, "service_tier": "flex"}, ["metadata", "service_tier"]),
    (RESPONSES, CHAT, {"text": {"verbosity": "low"}, "max_tool_calls": 2}, ["max_tool_calls", "verbosity"]),
    (CHAT, GEMINI, {"safety_identifier": "u-1", "store": True}, ["store", "safety_identifier"]),
    (CHAT, ANTHROPIC, {"min_p": 0.1, "repetition_penalty": 1.1}, ["min_p", "repetition_penalty"]),
    (ANTHROPIC, RESPONSES, {"service_tier": "priority"}, ["service_tier"]),
    (GEMINI, RESPONSES, {"serviceTier": "flex", "labels": {"k": "v"}}, ["labels", "serviceTier"]),
    (GEMINI, CHAT, {"generation_config": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}, ["mediaResolution"]),
]


@pytest.mark.parametrize(("client", "provider", "asked", "names"), LOST)
def test_what_has_no_place_is_said(client: Dialect, provider: Dialect, asked: dict[str, Any], names: list[str]) -> None:
    assert sent(client, provider, **asked)[1] == without(*names)


@pytest.mark.parametrize(
    ("client", "usual"),
    [
        (
            CHAT,
            {"top_k": 0, "frequency_penalty": 0, "logit_bias": {}, "service_tier": "auto", "user": "", "seed": None},
        ),
        (CHAT, {"parallel_tool_calls": True, "metadata": {}, "presence_penalty": 0, "store": False}),
        (RESPONSES, {"metadata": {}, "service_tier": "default", "text": {"verbosity": "medium"}, "user": None}),
        (RESPONSES, {"truncation": "disabled", "user": "", "store": True}),
        (ANTHROPIC, {"service_tier": "auto", "metadata": {"user_id": "u"}}),
        (ANTHROPIC, {"metadata": {"user_id": None}, "service_tier": "standard_only", "tool_choice": {"type": "auto"}}),
        (GEMINI, {"safetySettings": [], "generationConfig": {"presencePenalty": 0.0}}),
        (GEMINI, {"generation_config": {"presence_penalty": 0}, "labels": None}),
    ],
)
@pytest.mark.parametrize("provider", list(Dialect))
def test_nothing_is_said_of_what_changes_nothing(client: Dialect, provider: Dialect, usual: dict[str, Any]) -> None:
    if client is not provider:
        assert sent(client, provider, **usual)[1] == []


@pytest.mark.parametrize(
    ("client", "malformed"),
    [(GEMINI, {"generationConfig": [], "labels": None}), (RESPONSES, {"text": "low"}), (ANTHROPIC, {"tool_choice": 1})],
)
def test_nothing_is_found_in_what_is_no_object(client: Dialect, malformed: dict[str, Any]) -> None:
    assert wanted_in(malformed, DIALECTS[client].conversion.optional) == {}


@pytest.mark.parametrize("provider", [ANTHROPIC, GEMINI])
def test_top_k_of_chat_clients_crosses(provider: Dialect) -> None:
    request, remarks = sent(CHAT, provider, top_k=7)
    assert (request.get("top_k") or request["generationConfig"]["topK"], remarks) == (7, [])


def test_verbosity_and_tier_are_the_same_in_responses() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}}}
    request, remarks = sent(CHAT, RESPONSES, verbosity="low", service_tier="flex", response_format=form)
    assert (request["text"]["verbosity"], request["text"]["format"]["name"]) == ("low", "a")
    assert (request["service_tier"], remarks) == ("flex", [])


class TestUser:
    @pytest.mark.parametrize(("client", "provider"), [(CHAT, RESPONSES), (RESPONSES, CHAT)])
    @pytest.mark.parametrize("name", ["user", "safety_identifier"])
    def test_crosses_between_dialects_of_openai(self, client: Dialect, provider: Dialect, name: str) -> None:
        request, remarks = sent(client, provider, **{name: "u-1"})
        assert (request["user"], remarks) == ("u-1", [])

    @pytest.mark.parametrize("client", [CHAT, RESPONSES])
    def test_crosses_to_anthropic(self, client: Dialect) -> None:
        request, remarks = sent(client, ANTHROPIC, user="u-1")
        assert (request["metadata"], remarks) == ({"user_id": "u-1"}, [])

    @pytest.mark.parametrize("user", ["ann@example.org", "+49 30 1234567", "0301234567", "Ann Smith", "u" * 300])
    def test_that_anthropic_would_refuse_is_left_out_and_said(self, user: str) -> None:
        request, remarks = sent(CHAT, ANTHROPIC, user=user)
        assert ("metadata" in request, remarks) == (False, ["without user: Anthropic takes no name or address"])

    def test_that_is_left_out_has_the_name_that_the_client_gave_it(self) -> None:
        _, remarks = sent(CHAT, ANTHROPIC, safety_identifier="ann@example.org")
        assert remarks == ["without safety_identifier: Anthropic takes no name or address"]

    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    def test_of_claude_code_stays_with_anthropic(self, provider: Dialect) -> None:
        request, remarks = sent(ANTHROPIC, provider, metadata={"user_id": "user_1_account_2"})
        assert ("account_2" in str(request), remarks) == (False, [])


class TestStops:
    MANY = tuple("abcdef")

    @pytest.mark.parametrize(
        ("client", "provider", "kept"),
        [(ANTHROPIC, CHAT, 4), (GEMINI, CHAT, 4), (ANTHROPIC, GEMINI, 5), (CHAT, GEMINI, 5), (CHAT, ANTHROPIC, 6)],
    )
    @pytest.mark.parametrize("given", [1, 4, 5, 6])
    def test_are_as_many_as_the_provider_takes(self, client: Dialect, provider: Dialect, kept: int, given: int) -> None:
        stops = list(self.MANY[:given])
        more: dict[Dialect, dict[str, Any]] = {
            ANTHROPIC: {"stop_sequences": stops},
            GEMINI: {"generationConfig": {"stopSequences": stops}},
            CHAT: {"stop": stops},
        }
        request, remarks = sent(client, provider, **more[client])
        held = request.get("generationConfig", request)
        [name] = {"stop", "stop_sequences", "stopSequences"} & held.keys()
        got = held[name] if isinstance(held[name], list) else [held[name]]
        assert got == stops[:kept]
        assert [remark.rpartition(": ")[2] for remark in remarks] == (
            [f"the provider takes {kept} at most"] if given > kept else []
        )
