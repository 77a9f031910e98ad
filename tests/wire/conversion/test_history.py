"""What a conversation says crosses, whatever it is made of, from every dialect to every other."""

import base64
import copy
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pointsman.config.enums import Dialect
from pointsman.wire.conversion import requests
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.unsupported import unsupported
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts
from pointsman.wire.thinking_signatures import UNSIGNED

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
PAIRS = [(client, provider) for client in Dialect for provider in Dialect if client is not provider]
every_pair = pytest.mark.parametrize(("client", "provider"), PAIRS, ids=[f"{c}-to-{p}" for c, p in PAIRS])
PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjQK"
NOTES = "the side is left"
ENCODED_NOTES = base64.b64encode(NOTES.encode()).decode()
GO = "go"


def crossed(client: Dialect, provider: Dialect, document: Mapping[str, Any], model: str = "m") -> dict[str, Any]:
    """What the provider is asked. Fails where routing would not ask it."""
    asked = RequestFacts(model, False, frozenset(), 0, document=copy.deepcopy(dict(document)))
    assert unsupported(DIALECTS[client], DIALECTS[provider], asked) == ""
    return requests.convert(
        DIALECTS[client].conversion, DIALECTS[provider].conversion, copy.deepcopy(dict(document)), Recipient(model)
    )


def turns(provider: Dialect, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    member = {RESPONSES: "input", GEMINI: "contents"}.get(provider, "messages")
    found: list[dict[str, Any]] = request[member]
    return found


def words(provider: Dialect, request: Mapping[str, Any]) -> str:
    return json.dumps(turns(provider, request), ensure_ascii=False)


def calls(provider: Dialect, request: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Ids, names and arguments."""
    said = turns(provider, request)
    match provider:
        case Dialect.OPENAI_CHAT:
            found = [call for message in said for call in message.get("tool_calls", ())]
            return [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in found]
        case Dialect.OPENAI_RESPONSES:
            items = [item for item in said if item["type"] == "function_call"]
            return [(item["call_id"], item["name"], json.loads(item["arguments"])) for item in items]
        case Dialect.ANTHROPIC:
            blocks = [block for message in said for block in message["content"] if block["type"] == "tool_use"]
            return [(block["id"], block["name"], block["input"]) for block in blocks]
        case Dialect.GEMINI:
            parts = [part["functionCall"] for turn in said for part in turn["parts"] if "functionCall" in part]
            return [(call["id"], call["name"], call["args"]) for call in parts]


def results(provider: Dialect, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Ids and texts."""
    said = turns(provider, request)
    match provider:
        case Dialect.OPENAI_CHAT:
            return [(each["tool_call_id"], each["content"]) for each in said if each["role"] == "tool"]
        case Dialect.OPENAI_RESPONSES:
            outputs = [item for item in said if item["type"] == "function_call_output"]
            return [(item["call_id"], _text(item["output"])) for item in outputs]
        case Dialect.ANTHROPIC:
            blocks = [block for message in said for block in message["content"] if block["type"] == "tool_result"]
            return [(block["tool_use_id"], _text(block["content"])) for block in blocks]
        case Dialect.GEMINI:
            parts = [part["functionResponse"] for turn in said for part in turn["parts"] if "functionResponse" in part]
            return [(each["id"], next(iter(each["response"].values()))) for each in parts]


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content if "text" in part)


def assert_valid(provider: Dialect, request: Mapping[str, Any]) -> None:
    """Calls are answered once each, and where the dialect wants the answers."""
    said = turns(provider, request)
    assert [each[0] for each in calls(provider, request)] == [each[0] for each in results(provider, request)]
    match provider:
        case Dialect.OPENAI_CHAT:
            for place, message in enumerate(said):
                made = [call["id"] for call in message.get("tool_calls", ())]
                answers = [each.get("tool_call_id") for each in said[place + 1 : place + 1 + len(made)]]
                assert answers == made
        case Dialect.ANTHROPIC:
            roles = [message["role"] for message in said]
            assert all(one != two for one, two in itertools.pairwise(roles))
            for place, message in enumerate(said):
                made = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
                if made:
                    answers = said[place + 1]["content"][: len(made)]
                    assert [block["tool_use_id"] for block in answers] == made
        case Dialect.GEMINI:
            assert all(content["parts"] for content in said)


def chat_loop(*results: dict[str, Any], arguments: Any = "{}") -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": arguments}}
    return {
        "messages": [
            {"role": "user", "content": GO},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            *({"role": "tool", "tool_call_id": "c", **each} for each in results),
        ]
    }


def responses_loop(*results: dict[str, Any], arguments: Any = "{}") -> dict[str, Any]:
    return {
        "input": [
            {"role": "user", "content": GO},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": arguments},
            *({"type": "function_call_output", "call_id": "c", **each} for each in results),
        ]
    }


def anthropic_loop(*results: dict[str, Any], arguments: Any = None) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "c", "name": "look", "input": {} if arguments is None else arguments}
    return {
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": GO},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", **each} for each in results]},
        ],
    }


def gemini_loop(*responses: Any, **more: Any) -> dict[str, Any]:
    return {
        "contents": [
            {"role": "user", "parts": [{"text": GO}]},
            {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}}]},
            {
                "role": "user",
                "parts": [{"functionResponse": {"name": "look", "response": each, **more}} for each in responses],
            },
        ]
    }


class TestResults:
    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, ANTHROPIC])
    @pytest.mark.parametrize(
        ("response", "told"),
        [
            ({"output": "left"}, "left"),
            ({"result": "left"}, "left"),
            ({"error": "gone"}, "gone"),
            ({"content": "left"}, "left"),
            ({"content": [{"type": "text", "text": "left"}, {"type": "text", "text": "right"}]}, "left\nright"),
            ({"name": "look", "content": "left"}, '{"name": "look", "content": "left"}'),
            ({"return_value": "left"}, '{"return_value": "left"}'),
            ({"output": {"side": "left"}}, '{"side": "left"}'),
            ({"output": "left", "exit": 0}, '{"output": "left", "exit": 0}'),
            ({"side": "left", "none": None}, '{"side": "left", "none": null}'),
            ({"output": ["left", 2]}, '["left", 2]'),
            ("left", "left"),
            (["left"], '["left"]'),
            ({"output": 0}, "0"),
            ({"output": False}, "false"),
            ({}, ""),
            (None, ""),
        ],
    )
    def test_of_gemini_cross_in_whatever_form(self, provider: Dialect, response: Any, told: str) -> None:
        request = crossed(GEMINI, provider, gemini_loop(response))
        assert_valid(provider, request)
        assert [said for _, said in results(provider, request)] == [told]

    @pytest.mark.parametrize("output", ['{"a":1}', "[1, 2]", "null", "0", '"x"', "1.50", '[{"type": "text"}]'])
    @every_pair
    def test_that_look_like_json_are_passed_on_as_they_are(
        self, client: Dialect, provider: Dialect, output: str
    ) -> None:
        asked = {
            CHAT: chat_loop({"content": output}),
            RESPONSES: responses_loop({"output": output}),
            ANTHROPIC: anthropic_loop({"content": output}),
            GEMINI: gemini_loop({"output": output}),
        }
        request = crossed(client, provider, asked[client])
        assert [said for _, said in results(provider, request)] == [output]

    @pytest.mark.parametrize(
        ("client", "document"),
        [
            (CHAT, chat_loop({"content": None})),
            (CHAT, chat_loop({})),
            (CHAT, chat_loop({"content": []})),
            (RESPONSES, responses_loop({"output": None})),
            (RESPONSES, responses_loop({"output": []})),
            (ANTHROPIC, anthropic_loop({})),
            (ANTHROPIC, anthropic_loop({"content": None})),
            (ANTHROPIC, anthropic_loop({"content": []})),
        ],
    )
    def test_may_be_empty(self, client: Dialect, document: dict[str, Any]) -> None:
        for provider in Dialect:
            if provider is not client:
                request = crossed(client, provider, document)
                assert_valid(provider, request)
                assert len(results(provider, request)) == 1

    @pytest.mark.parametrize("value", [{"side": "left"}, 7])
    def test_of_another_kind_are_written_as_json(self, value: object) -> None:
        for client, asked in ((CHAT, chat_loop({"content": value})), (RESPONSES, responses_loop({"output": value}))):
            for provider in (ANTHROPIC, GEMINI):
                request = crossed(client, provider, asked)
                assert [said for _, said in results(provider, request)] == [json.dumps(value)]

    @every_pair
    def test_repeated_ones_of_one_call_are_one(self, client: Dialect, provider: Dialect) -> None:
        asked = {
            CHAT: chat_loop({"content": "left"}, {"content": "right"}, {"content": "left"}),
            RESPONSES: responses_loop({"output": "left"}, {"output": "right"}),
            ANTHROPIC: anthropic_loop({"content": "left"}, {"content": "right"}),
            GEMINI: gemini_loop({"output": "left"}),
        }
        request = crossed(client, provider, asked[client])
        assert_valid(provider, request)
        [(_, said)] = results(provider, request)
        assert said.startswith("left")
        assert client is GEMINI or "right" in said

    def test_that_are_the_same_twice_are_written_once(self) -> None:
        request = crossed(CHAT, ANTHROPIC, chat_loop({"content": "left"}, {"content": "left"}))
        assert [said for _, said in results(ANTHROPIC, request)] == ["left"]

    @every_pair
    def test_without_a_call_become_words(self, client: Dialect, provider: Dialect) -> None:
        lost = "the lost result"
        asked = {
            CHAT: {
                "messages": [{"role": "user", "content": GO}, {"role": "tool", "tool_call_id": "x", "content": lost}]
            },
            RESPONSES: {
                "input": [
                    {"role": "user", "content": GO},
                    {"type": "function_call_output", "call_id": "x", "output": lost},
                ]
            },
            ANTHROPIC: {
                "max_tokens": 9,
                "messages": [
                    {"role": "user", "content": GO},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": lost}]},
                ],
            },
            GEMINI: {
                "contents": [
                    {"role": "user", "parts": [{"text": GO}]},
                    {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": lost}}}]},
                ]
            },
        }
        request = crossed(client, provider, asked[client])
        assert results(provider, request) == []
        assert words(provider, request).count(lost) == 1

    @pytest.mark.parametrize("provider", [RESPONSES, ANTHROPIC, GEMINI])
    def test_that_are_missing_are_made_up(self, provider: Dialect) -> None:
        document = chat_loop()
        document["messages"].append({"role": "user", "content": "never mind"})
        request = crossed(CHAT, provider, document)
        assert_valid(provider, request)
        assert "never mind" in words(provider, request)

    @pytest.mark.parametrize("provider", [CHAT, ANTHROPIC, GEMINI])
    def test_follow_their_calls_wherever_they_stood(self, provider: Dialect) -> None:
        """Codex puts messages between calls and their outputs."""
        items = [
            {"role": "user", "content": GO},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"n": 1}'},
            {"type": "function_call", "call_id": "b", "name": "look", "arguments": '{"n": 2}'},
            {"role": "assistant", "content": [{"type": "output_text", "text": "looking"}]},
            {"role": "user", "content": "hurry"},
            {"type": "function_call_output", "call_id": "b", "output": "right"},
            {"type": "function_call_output", "call_id": "a", "output": "left"},
        ]
        request = crossed(RESPONSES, provider, {"input": items})
        assert_valid(provider, request)
        assert results(provider, request) == [("a", "left"), ("b", "right")]
        assert "hurry" in words(provider, request)
        assert "looking" in words(provider, request)

    @every_pair
    def test_with_images_documents_and_texts(self, client: Dialect, provider: Dialect) -> None:
        chat = [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        ]
        file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
        asked = {
            CHAT: chat_loop({"content": [*chat, {"type": "file", "file": file}]}),
            RESPONSES: responses_loop(
                {
                    "output": [
                        {"type": "input_text", "text": "see"},
                        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                        {"type": "input_file", **file},
                    ]
                }
            ),
            ANTHROPIC: anthropic_loop(
                {
                    "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                        },
                    ]
                }
            ),
            GEMINI: gemini_loop(
                {"output": "see"},
                parts=[
                    {"inlineData": {"mimeType": "image/png", "data": PNG}},
                    {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
                ],
            ),
        }
        request = crossed(client, provider, asked[client])
        assert_valid(provider, request)
        [(_, said)] = results(provider, request)
        assert said == "see"
        assert words(provider, request).count(PNG) == 1
        assert words(provider, request).count(PDF) == 1

    def test_that_are_only_an_image_still_have_words_in_chat(self) -> None:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        request = crossed(ANTHROPIC, CHAT, anthropic_loop({"content": [image]}))
        *_, result, beside = request["messages"]
        assert result["content"]
        assert beside["role"] == "user"
        assert PNG in json.dumps(beside)

    def test_errors_are_errors_where_the_dialect_has_them(self) -> None:
        failed = anthropic_loop({"content": "gone", "is_error": True})
        [result] = crossed(ANTHROPIC, GEMINI, failed)["contents"][-1]["parts"]
        assert result["functionResponse"]["response"] == {"error": "gone"}
        back = crossed(GEMINI, ANTHROPIC, gemini_loop({"error": "gone"}))
        assert back["messages"][-1]["content"][0]["is_error"] is True

    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    def test_an_error_without_words_is_still_an_error(self, provider: Dialect) -> None:
        request = crossed(ANTHROPIC, provider, anthropic_loop({"is_error": True}))
        assert_valid(provider, request)
        assert "[error]" in json.dumps(request)


class TestDocuments:
    MAKERS: Mapping[Dialect, Callable[[str, str, str], dict[str, Any]]] = {
        CHAT: lambda kind, data, name: {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,{data}"}}
                    ],
                }
            ]
        },
        RESPONSES: lambda kind, data, name: {
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_file", "filename": name, "file_data": f"data:{kind};base64,{data}"}],
                }
            ]
        },
        ANTHROPIC: lambda kind, data, name: {
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "document",
                            "title": name,
                            "source": {"type": "base64", "media_type": kind, "data": data},
                        }
                    ],
                }
            ],
        },
        GEMINI: lambda kind, data, name: {
            "contents": [
                {"role": "user", "parts": [{"inlineData": {"mimeType": kind, "data": data, "displayName": name}}]}
            ]
        },
    }

    @every_pair
    def test_in_pdf_cross(self, client: Dialect, provider: Dialect) -> None:
        assert PDF in words(provider, crossed(client, provider, self.MAKERS[client]("application/pdf", PDF, "a.pdf")))

    @pytest.mark.parametrize("kind", ["text/plain", "text/csv", "application/json"])
    @every_pair
    def test_in_text_are_text(self, client: Dialect, provider: Dialect, kind: str) -> None:
        said = words(provider, crossed(client, provider, self.MAKERS[client](kind, ENCODED_NOTES, "notes.txt")))
        assert NOTES in said
        assert "notes.txt" in said
        assert ENCODED_NOTES not in said

    def test_of_anthropic_may_be_plain(self) -> None:
        source = {"type": "text", "media_type": "text/plain", "data": NOTES}
        blocks = [
            {"type": "document", "title": "notes", "context": "from the yard", "source": source},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
            {
                "type": "search_result",
                "title": "found",
                "source": "s",
                "content": [{"type": "text", "text": "by search"}],
            },
        ]
        for provider in (CHAT, RESPONSES, GEMINI):
            document = {"max_tokens": 9, "messages": [{"role": "user", "content": blocks}]}
            said = words(provider, crossed(ANTHROPIC, provider, document))
            assert all(each in said for each in (NOTES, "notes", "from the yard", "inner", "found", "by search"))

    def test_audio_goes_where_it_is_supported(self) -> None:
        part = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
        document = {"messages": [{"role": "user", "content": [part]}]}
        assert crossed(CHAT, GEMINI, document)["contents"][0]["parts"] == [
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}
        ]
        asked = RequestFacts("m", False, frozenset(), 0, document=document)
        assert unsupported(DIALECTS[CHAT], DIALECTS[ANTHROPIC], asked) == "anthropic does not accept audio/wav"

    def test_an_images_url_may_hold_its_data_in_any_form(self) -> None:
        for url in ("data:image/png,%89PNG", f"data:image/png;x=y;base64,{PNG}"):
            for image in (url, {"url": url}):
                document = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]}
                [block] = crossed(CHAT, ANTHROPIC, document)["messages"][0]["content"]
                assert block["source"]["media_type"] == "image/png"
                assert base64.b64decode(block["source"]["data"]).startswith(b"\x89PNG")


class TestToldHistory:
    """What only one provider can read, or has run, ties no conversation to it."""

    ITEMS: tuple[tuple[dict[str, Any], str], ...] = (
        ({"type": "web_search_call", "id": "ws", "action": {"type": "search", "query": "sides"}}, "web_search: sides"),
        ({"type": "file_search_call", "id": "fs", "queries": ["sides"], "results": None}, "sides"),
        ({"type": "code_interpreter_call", "id": "ci", "code": "print(1)", "container_id": "c"}, "print(1)"),
        ({"type": "mcp_call", "id": "m", "name": "find", "arguments": "{}", "output": "found"}, "found"),
        ({"type": "x_new", "id": "x", "words": "some"}, "some"),
    )

    @pytest.mark.parametrize(("item", "told"), ITEMS, ids=[item["type"] for item, _ in ITEMS])
    @pytest.mark.parametrize("provider", [CHAT, ANTHROPIC, GEMINI])
    def test_items_of_responses(self, provider: Dialect, item: dict[str, Any], told: str) -> None:
        items = [{"role": "user", "content": GO}, item, {"role": "user", "content": "on"}]
        said = words(provider, crossed(RESPONSES, provider, {"input": items}))
        assert json.dumps(told)[1:-1] in said

    IMAGES: tuple[tuple[Dialect, dict[str, Any]], ...] = (
        (CHAT, {"messages": [{"role": "user", "content": GO}, {"role": "assistant", "content": "here", "images": [
            {"type": "image_url", "image_url": {"url": f"data:image/webp;base64,{PNG}"}}
        ]}]}),
        (RESPONSES, {"input": [{"role": "user", "content": GO}, {
            "type": "image_generation_call", "id": "ig", "result": PNG, "output_format": "webp",
            "revised_prompt": "here",
        }]}),
        (GEMINI, {"contents": [{"role": "user", "parts": [{"text": GO}]}, {"role": "model", "parts": [
            {"text": "here"}, {"inlineData": {"mimeType": "image/webp", "data": PNG}}
        ]}]}),
    )  # fmt: skip

    @pytest.mark.parametrize("provider", Dialect)
    @pytest.mark.parametrize(("client", "document"), IMAGES, ids=[client for client, _ in IMAGES])
    def test_images_that_a_model_made(self, client: Dialect, document: dict[str, Any], provider: Dialect) -> None:
        """Only Gemini's models take them back."""
        if client is provider:
            return
        request = crossed(client, provider, document)
        assert_valid(provider, request)
        assert "here" in words(provider, request)
        data = {"mimeType": "image/webp", "data": PNG}
        if provider is GEMINI:
            assert data in [part.get("inlineData") for part in request["contents"][1]["parts"]]
        else:
            assert "[image image/webp]" in json.dumps(request)
            assert PNG not in json.dumps(request)

    @pytest.mark.parametrize("named", [{"id": "lo", "call_id": "c"}, {"id": "c"}], ids=["call_id", "id"])
    @pytest.mark.parametrize("provider", [CHAT, ANTHROPIC, GEMINI])
    def test_calls_that_a_client_ran_are_calls(self, provider: Dialect, named: dict[str, str]) -> None:
        """Codex names the call of a `local_shell_call_output` by `call_id`, OpenAI's own libraries by `id`."""
        items = [
            {"role": "user", "content": GO},
            {
                "type": "local_shell_call",
                "id": "ls",
                "call_id": "c",
                "status": "completed",
                "action": {"type": "exec", "command": ["ls"], "env": {}},
            },
            {"type": "local_shell_call_output", **named, "output": "a.txt"},
            {"type": "tool_search_call", "call_id": "s", "arguments": {"query": "q"}},
            {"type": "tool_search_output", "call_id": "s", "tools": []},
        ]
        request = crossed(RESPONSES, provider, {"input": items})
        assert_valid(provider, request)
        [(_, name, given), *_] = calls(provider, request)
        assert (name, given["action"]["command"]) == ("local_shell", ["ls"])
        assert results(provider, request)[0] == ("c", "a.txt")

    BLOCKS: tuple[tuple[list[dict[str, Any]], str], ...] = (
        (
            [
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "sides"}},
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s",
                    "content": [
                        {
                            "type": "web_search_result",
                            "title": "A side",
                            "url": "https://a.test",
                            "encrypted_content": "EEEE",
                        }
                    ],
                },
            ],
            "A side <https://a.test>",
        ),
        ([{"type": "mcp_tool_use", "id": "m", "name": "find", "server_name": "s", "input": {"q": 1}}], "find"),
        (
            [{"type": "mcp_tool_result", "tool_use_id": "m", "content": [{"type": "text", "text": "found"}]}],
            "found",
        ),
        (
            [
                {
                    "type": "bash_code_execution_tool_result",
                    "tool_use_id": "b",
                    "content": {"type": "bash_code_execution_result", "stdout": "out", "return_code": 0},
                }
            ],
            "out",
        ),
        ([{"type": "compaction", "content": "a summary"}], "a summary"),
        ([{"type": "x_new", "words": "some"}], "some"),
    )

    @pytest.mark.parametrize(("blocks", "told"), BLOCKS, ids=[blocks[0]["type"] for blocks, _ in BLOCKS])
    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    def test_blocks_of_anthropic(self, provider: Dialect, blocks: list[dict[str, Any]], told: str) -> None:
        messages = [
            {"role": "user", "content": GO},
            {"role": "assistant", "content": [*blocks, {"type": "text", "text": "so"}]},
            {"role": "user", "content": "on"},
        ]
        said = words(provider, crossed(ANTHROPIC, provider, {"max_tokens": 9, "messages": messages}))
        assert told in said
        assert "EEEE" not in said

    def test_texts_among_the_blocks_of_a_message_are_kept(self) -> None:
        read = DIALECTS[Dialect.ANTHROPIC].conversion.history.read
        said = read({"messages": [{"role": "user", "content": ["go", {"type": "text", "text": "on"}]}]})
        assert [part["text"] for part in said[-1]["content"]] == ["go", "on"]

    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, GEMINI])
    def test_references_to_tools_are_described(self, provider: Dialect) -> None:
        found = anthropic_loop({"content": [{"type": "tool_reference", "tool_name": "weigh"}]})
        request = crossed(ANTHROPIC, provider, found)
        assert "weigh" in results(provider, request)[0][1]

    @pytest.mark.parametrize("provider", [CHAT, RESPONSES, ANTHROPIC])
    def test_code_that_google_ran(self, provider: Dialect) -> None:
        parts = [
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1!"}},
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ]
        contents = [{"role": "user", "parts": [{"text": GO}]}, {"role": "model", "parts": parts}]
        contents.append({"role": "user", "parts": [{"text": "on"}]})
        said = words(provider, crossed(GEMINI, provider, {"contents": contents}))
        assert "print(1)" in said
        assert "1!" in said

    @every_pair
    def test_files_that_one_provider_keeps(self, client: Dialect, provider: Dialect) -> None:
        """They were shown before, and are told by name now."""
        kept = {
            CHAT: {"type": "file", "file": {"file_id": "file-1", "filename": "a.pdf"}},
            RESPONSES: {"type": "input_file", "file_id": "file-1", "filename": "a.pdf"},
            ANTHROPIC: {"type": "document", "title": "a.pdf", "source": {"type": "file", "file_id": "file-1"}},
        }
        if client is GEMINI:
            uri = "https://generativelanguage.googleapis.com/v1beta/files/x"
            part = {"fileData": {"mimeType": "application/pdf", "fileUri": uri, "displayName": "a.pdf"}}
            document: dict[str, Any] = {
                "contents": [
                    {"role": "user", "parts": [part, {"text": GO}]},
                    {"role": "model", "parts": [{"text": "so"}]},
                    {"role": "user", "parts": [{"text": "on"}]},
                ]
            }
        else:
            said = [
                {"role": "user", "content": [kept[client], {"type": "text", "text": GO}]},
                {"role": "assistant", "content": "so"},
                {"role": "user", "content": "on"},
            ]
            document = {"input" if client is RESPONSES else "messages": said, "max_tokens": 9}
        assert "a.pdf" in words(provider, crossed(client, provider, document))

    def test_tools_that_codex_adds_within_its_items_are_tools(self) -> None:
        document = {
            "input": [
                {"role": "user", "content": GO},
                {"type": "additional_tools", "tools": [{"type": "function", "name": "weigh", "parameters": {}}]},
            ],
            "tools": [{"type": "function", "name": "look", "parameters": {}}],
        }
        request = crossed(RESPONSES, CHAT, document)
        assert [tool["function"]["name"] for tool in request["tools"]] == ["look", "weigh"]
        assert len(request["messages"]) == 1


class TestThoughts:
    ASKED: Mapping[Dialect, dict[str, Any]] = {
        RESPONSES: {
            "input": [
                {"role": "user", "content": GO},
                {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "why"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "so"}]},
                {"role": "user", "content": "on"},
                {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
                {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "left"},
            ]
        },
        ANTHROPIC: {
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": GO},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "why"}, {"type": "text", "text": "so"}],
                },
                {"role": "user", "content": "on"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "redacted_thinking", "data": "d"},
                        {"type": "tool_use", "id": "c", "name": "look", "input": {}},
                    ],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "left"}]},
            ],
        },
        GEMINI: {
            "contents": [
                {"role": "user", "parts": [{"text": GO}]},
                {"role": "model", "parts": [{"text": "why", "thought": True}, {"text": "so"}]},
                {"role": "user", "parts": [{"text": "on"}]},
                {
                    "role": "model",
                    "parts": [{"text": "hm", "thought": True}, {"functionCall": {"name": "look", "args": {}}}],
                },
                {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": "left"}}}]},
            ]
        },
    }

    @pytest.mark.parametrize("client", [RESPONSES, ANTHROPIC, GEMINI])
    def test_before_calls_go_back_to_chat_by_default(self, client: Dialect) -> None:
        """DeepSeek's models refuse a call without its thoughts."""
        request = crossed(client, CHAT, self.ASKED[client])
        answers = [message for message in request["messages"] if message["role"] == "assistant"]
        assert [answer.get("reasoning_content") for answer in answers] == [None, "hm"]

    @pytest.mark.parametrize("client", [RESPONSES, ANTHROPIC, GEMINI])
    def test_all_go_back_to_models_known_to_reason(self, client: Dialect) -> None:
        document = copy.deepcopy(self.ASKED[client])
        to = Recipient("m", reasons=True)
        request = requests.convert(DIALECTS[client].conversion, DIALECTS[CHAT].conversion, document, to)
        answers = [message for message in request["messages"] if message["role"] == "assistant"]
        assert [answer.get("reasoning_content") for answer in answers] == ["why", "hm"]

    def test_of_google_keep_the_signatures_of_their_calls(self) -> None:
        """Both ways between Google's own dialect and its OpenAI-compatible one."""
        asked = copy.deepcopy(self.ASKED[GEMINI])
        asked["contents"][3]["parts"][1]["thoughtSignature"] = "c2ln"
        request = crossed(GEMINI, CHAT, asked, "gemini-3-pro")
        [call] = request["messages"][3]["tool_calls"]
        assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}
        back = crossed(CHAT, GEMINI, {"messages": request["messages"]}, "gemini-3-pro")
        [part] = [part for turn in back["contents"] for part in turn["parts"] if "functionCall" in part]
        assert part["thoughtSignature"] == "c2ln"

    def test_of_google_are_given_to_no_other_model(self) -> None:
        asked = copy.deepcopy(self.ASKED[GEMINI])
        asked["contents"][3]["parts"][1]["thoughtSignature"] = "c2ln"
        for provider in (CHAT, RESPONSES, ANTHROPIC):
            assert "c2ln" not in json.dumps(crossed(GEMINI, provider, asked, "gpt-5"))

    @pytest.mark.parametrize("client", [RESPONSES, ANTHROPIC])
    @pytest.mark.parametrize("model", ["gemini-3-pro", "google/gemini-flash-latest", "models/gemini-4-flash"])
    def test_of_other_models_calls_are_marked_for_google(self, client: Dialect, model: str) -> None:
        chat = crossed(client, CHAT, self.ASKED[client], model)
        [call] = [call for message in chat["messages"] for call in message.get("tool_calls", ())]
        assert call["extra_content"] == {"google": {"thought_signature": UNSIGNED}}
        own = crossed(client, GEMINI, self.ASKED[client], model)
        [part] = [part for turn in own["contents"] for part in turn["parts"] if "functionCall" in part]
        assert part["thoughtSignature"] == UNSIGNED

    def test_older_models_of_google_need_no_mark(self) -> None:
        for provider in (CHAT, GEMINI):
            request = crossed(ANTHROPIC, provider, self.ASKED[ANTHROPIC], "gemini-2.5-pro")
            assert UNSIGNED not in json.dumps(request)


class TestTurns:
    @pytest.mark.parametrize("provider", [CHAT, ANTHROPIC, GEMINI])
    def test_of_codex_are_one_message(self, provider: Dialect) -> None:
        items = [
            {"role": "user", "content": GO},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "looking"}]},
            {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "and weighing"}]},
            {"type": "function_call", "call_id": "b", "name": "weigh", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "function_call_output", "call_id": "b", "output": "2"},
            {"type": "function_call", "call_id": "d", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "d", "output": "3"},
        ]
        request = crossed(RESPONSES, provider, {"input": items})
        assert_valid(provider, request)
        answers = [turn for turn in turns(provider, request) if turn["role"] in ("assistant", "model")]
        assert len(answers) == 2
        assert [name for _, name, _ in calls(provider, request)] == ["look", "weigh", "look"]

    @pytest.mark.parametrize(
        ("given", "arguments"),
        [
            ('{"a": 1}', {"a": 1}),
            ("", {}),
            (None, {}),
            ("null", {}),
            ('"{\\"a\\": 1}"', {"a": 1}),
            ({"a": 1}, {"a": 1}),
            ('{"a": ', {"input": '{"a": '}),
            ("[1]", {"input": [1]}),
        ],
    )
    def test_arguments_are_objects_whatever_was_written(self, given: Any, arguments: dict[str, Any]) -> None:
        for client, loop in ((CHAT, chat_loop), (RESPONSES, responses_loop)):
            for provider in Dialect:
                if provider is not client:
                    request = crossed(client, provider, loop({}, arguments=given))
                    assert [made for _, _, made in calls(provider, request)] == [arguments]

    def test_refusals_are_kept(self) -> None:
        messages = [
            {"role": "user", "content": GO},
            {"role": "assistant", "content": None, "refusal": "I will not"},
            {"role": "user", "content": "on"},
        ]
        for provider in (RESPONSES, ANTHROPIC, GEMINI):
            assert "I will not" in words(provider, crossed(CHAT, provider, {"messages": messages}))

    @pytest.mark.parametrize("content", [{"type": "text", "text": "left"}, {"side": "left"}, ["left"]])
    @pytest.mark.parametrize(("client", "provider"), [pair for pair in PAIRS if pair[0] is not GEMINI])
    def test_a_content_of_another_kind_is_not_lost(self, client: Dialect, provider: Dialect, content: object) -> None:
        turn = {"role": "user", "content": content}
        asked = {"input": [turn]} if client is RESPONSES else {"messages": [turn], "max_tokens": 9}
        request = crossed(client, provider, asked)
        assert_valid(provider, request)
        assert "left" in words(provider, request)

    def test_texts_are_not_changed_in_joining(self) -> None:
        blocks = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
        messages = [{"role": "user", "content": GO}, {"role": "assistant", "content": blocks}]
        request = crossed(ANTHROPIC, CHAT, {"max_tokens": 9, "messages": messages})
        assert request["messages"][1]["content"] == "one two"

    def test_legacy_function_calls_are_calls(self) -> None:
        messages = [
            {"role": "user", "content": GO},
            {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": '{"n": 1}'}},
            {"role": "function", "name": "look", "content": "left"},
        ]
        for provider in (RESPONSES, ANTHROPIC, GEMINI):
            request = crossed(CHAT, provider, {"messages": messages})
            assert_valid(provider, request)
            assert [each[1:] for each in calls(provider, request)] == [("look", {"n": 1})]
            assert [said for _, said in results(provider, request)] == ["left"]


NULLS: Mapping[Dialect, dict[str, Any]] = {
    CHAT: {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": GO, "cache_control": None}], "name": None},
            {
                "role": "assistant",
                "content": "so",
                "refusal": None,
                "tool_calls": None,
                "function_call": None,
                "audio": None,
                "reasoning_content": None,
                "annotations": None,
            },
            {"role": "user", "content": "on"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "t", "description": None, "parameters": None, "strict": None}}
        ],
        "tool_choice": None,
        "response_format": None,
        "stop": None,
        "temperature": None,
        "top_p": None,
        "n": None,
        "max_tokens": None,
        "max_completion_tokens": None,
        "reasoning_effort": None,
        "stream_options": None,
        "seed": None,
        "metadata": None,
        "functions": None,
        "parallel_tool_calls": None,
        "logit_bias": None,
        "user": None,
    },
    RESPONSES: {
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": GO}],
                "id": None,
                "status": None,
            },
            {"type": "reasoning", "id": None, "summary": [], "content": None, "encrypted_content": None},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "so", "annotations": None}],
            },
            {"role": "user", "content": "on"},
        ],
        "tools": [{"type": "function", "name": "t", "description": None, "parameters": None, "strict": None}],
        "instructions": None,
        "tool_choice": None,
        "text": {"format": None, "verbosity": None},
        "reasoning": None,
        "temperature": None,
        "top_p": None,
        "max_output_tokens": None,
        "previous_response_id": None,
        "include": None,
        "metadata": None,
        "parallel_tool_calls": None,
        "truncation": None,
        "user": None,
        "conversation": None,
    },
    ANTHROPIC: {
        "max_tokens": 9,
        "system": None,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": GO, "cache_control": None, "citations": None}]},
            {"role": "assistant", "content": [{"type": "text", "text": "so", "citations": None}]},
            {"role": "user", "content": "on"},
        ],
        "tools": [
            {"name": "t", "description": None, "input_schema": {"type": "object"}, "type": None, "cache_control": None}
        ],
        "tool_choice": None,
        "thinking": None,
        "stop_sequences": None,
        "temperature": None,
        "top_k": None,
        "top_p": None,
        "metadata": None,
        "output_config": {"effort": None, "format": None},
        "mcp_servers": None,
        "container": None,
    },
    GEMINI: {
        "systemInstruction": None,
        "contents": [
            {"role": "user", "parts": [{"text": GO, "thought": None, "inlineData": None, "functionCall": None}]},
            {"role": "model", "parts": [{"text": "so", "thoughtSignature": None}]},
            {"role": None, "parts": [{"text": "on"}]},
        ],
        "tools": [
            {"functionDeclarations": [{"name": "t", "description": None, "parameters": None}], "googleSearch": None}
        ],
        "toolConfig": None,
        "generationConfig": {
            "temperature": None,
            "stopSequences": None,
            "responseSchema": None,
            "thinkingConfig": None,
            "topK": None,
            "candidateCount": None,
            "responseModalities": None,
            "maxOutputTokens": None,
        },
        "safetySettings": None,
        "cachedContent": None,
    },
}


@every_pair
def test_null_is_absence(client: Dialect, provider: Dialect) -> None:
    request = crossed(client, provider, NULLS[client])
    said = json.dumps({name: value for name, value in request.items() if name != "store"})
    assert "null" not in said
    assert all(each in said for each in (f'"{GO}"', '"so"', '"on"'))


@every_pair
def test_null_within_arguments_is_the_models(client: Dialect, provider: Dialect) -> None:
    given = {"side": None, "at": [None]}
    asked = {
        CHAT: chat_loop({"content": "left"}, arguments=json.dumps(given)),
        RESPONSES: responses_loop({"output": "left"}, arguments=json.dumps(given)),
        ANTHROPIC: anthropic_loop({"content": "left"}, arguments=given),
        GEMINI: gemini_loop({"output": "left"}),
    }
    asked[GEMINI]["contents"][1]["parts"][0]["functionCall"]["args"] = given
    assert [made for _, _, made in calls(provider, crossed(client, provider, asked[client]))] == [given]
