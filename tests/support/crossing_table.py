"""The table of what crosses, in docs/dialects.md: each row is computed by the code that decides, in every direction.

    PYTHONPATH=addon:tests python -m support.crossing_table

writes it into the page.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.config import Provider
from pointsman.config.enums import Dialect
from pointsman.model_facts import facts_of
from pointsman.wire.conversion.base import Recipient
from pointsman.wire.conversion.codec import codec_for
from pointsman.wire.conversion.requests import convert
from pointsman.wire.conversion.unsupported import unsupported
from pointsman.wire.dialects.base import Listener
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.request_facts import RequestFacts

CHAT, RESPONSES, ANTHROPIC, GEMINI = Dialect
PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
BEGIN, END = "<!-- what crosses: generated, see tests/support/crossing_table.py -->", "<!-- end of what crosses -->"
URL, DATA, WORDS, NAME = "https://images.test/marked.png", "bWFya2Vk", "marked words", "marked_tool"
SCHEMA = {"type": "object", "properties": {"marked": {"type": "string"}}, "required": ["marked"],
          "additionalProperties": False}  # fmt: skip
LEAST: Mapping[Dialect, Mapping[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"input": [{"role": "user", "content": "hi"}]},
    ANTHROPIC: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
THINKING = {CHAT: "gpt-5", RESPONSES: "gpt-5", ANTHROPIC: "claude-opus-4-5", GEMINI: "gemini-2.5-pro"}
"""Models that reason. Nothing is known of the model that the other rows are for."""


class Row(NamedTuple):
    """`asked` are the members of a request, by the dialects that have words for it. `marks`: one of them stands in a
    request that it has come over in.
    """

    what: str
    asked: Mapping[Dialect, Mapping[str, Any]]
    marks: tuple[str, ...]
    models: Mapping[Dialect, str] = dict.fromkeys(Dialect, "m")


def _user(chat: Any = None, responses: Any = None, anthropic: Any = None, gemini: Any = None) -> Mapping[Dialect, Any]:
    """A part of the user's message."""
    given = {
        CHAT: chat and {"messages": [{"role": "user", "content": [chat]}]},
        RESPONSES: responses and {"input": [{"role": "user", "content": [responses]}]},
        ANTHROPIC: anthropic and {"messages": [{"role": "user", "content": [anthropic]}]},
        GEMINI: gemini and {"contents": [{"role": "user", "parts": [gemini]}]},
    }
    return {dialect: members for dialect, members in given.items() if members}


def _config(**members: Any) -> dict[str, Any]:
    return {"generationConfig": members}


def _tools(**more: Any) -> Mapping[Dialect, Mapping[str, Any]]:
    return {
        CHAT: {"tools": [{"type": "function", "function": {"name": NAME, "parameters": SCHEMA, **more}}]},
        RESPONSES: {"tools": [{"type": "function", "name": NAME, "parameters": SCHEMA, **more}]},
        ANTHROPIC: {"tools": [{"name": NAME, "input_schema": SCHEMA, **more}]},
        GEMINI: {"tools": [{"functionDeclarations": [{"name": NAME, "parametersJsonSchema": SCHEMA}]}]},
    }


def _with_tools(asked: Mapping[Dialect, Mapping[str, Any]]) -> Mapping[Dialect, Mapping[str, Any]]:
    return {dialect: {**_tools()[dialect], **members} for dialect, members in asked.items()}


def _file(kind: str, name: str) -> Mapping[Dialect, Any]:
    return _user(
        {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,{DATA}"}},
        {"type": "input_file", "filename": name, "file_data": f"data:{kind};base64,{DATA}"},
        {"type": "document", "source": {"type": "base64", "media_type": kind, "data": DATA}, "title": name},
        {"inlineData": {"mimeType": kind, "data": DATA}},
    )


CUSTOM = {"type": "custom", "name": NAME, "description": "d"}
ROWS = (
    Row("text", _user({"type": "text", "text": WORDS}, {"type": "input_text", "text": WORDS},
                      {"type": "text", "text": WORDS}, {"text": WORDS}), (WORDS,)),
    Row("system prompts", {CHAT: {"messages": [{"role": "system", "content": WORDS}, {"role": "user", "content": "a"}]},
                           RESPONSES: {"instructions": WORDS}, ANTHROPIC: {"system": WORDS},
                           GEMINI: {"systemInstruction": {"parts": [{"text": WORDS}]}}}, (WORDS,)),
    Row("tools of the client", _tools(), (f'"name": "{NAME}"',)),
    Row("`strict` of tools", {name: asked for name, asked in _tools(strict=True).items() if name is not GEMINI},
        ('"strict": true', '"VALIDATED"'), {**dict.fromkeys(Dialect, "m"), GEMINI: "gemini-2.5-pro"}),
    Row("tools that take any text (`custom` of Responses)", {RESPONSES: {"tools": [CUSTOM]}}, (f'"name": "{NAME}"',)),
    Row("a tool that must be called", _with_tools({
        CHAT: {"tool_choice": {"type": "function", "function": {"name": NAME}}},
        RESPONSES: {"tool_choice": {"type": "function", "name": NAME}},
        ANTHROPIC: {"tool_choice": {"type": "tool", "name": NAME}},
        GEMINI: {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [NAME]}}},
    }), ('"tool_choice": {', '"mode": "ANY"', '"mode": "any"', '"tool_choice": "required"')),
    Row("one call at a time", _with_tools({
        CHAT: {"parallel_tool_calls": False}, RESPONSES: {"parallel_tool_calls": False},
        ANTHROPIC: {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    }), ('"parallel_tool_calls": false', '"disable_parallel_tool_use": true')),
    Row("images in base64", _user(
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
        {"inlineData": {"mimeType": "image/png", "data": DATA}},
    ), (DATA,)),
    Row("images by URL", _user(
        {"type": "image_url", "image_url": {"url": URL}}, {"type": "input_image", "image_url": URL},
        {"type": "image", "source": {"type": "url", "url": URL}},
        {"fileData": {"mimeType": "image/png", "fileUri": URL}},
    ), (f'"{URL}"',)),
    Row("PDFs", _file("application/pdf", "a.pdf"), (DATA,)),
    Row("PDFs by URL", _user(
        None, {"type": "input_file", "file_url": "https://files.test/marked.pdf"},
        {"type": "document", "source": {"type": "url", "url": "https://files.test/marked.pdf"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://files.test/marked.pdf"}},
    ), ('"https://files.test/marked.pdf"',)),
    Row("text documents", _file("text/plain", "a.txt"), ("marked",)),
    Row("audio (WAV and MP3)", _user(
        {"type": "input_audio", "input_audio": {"format": "wav", "data": DATA}}, None, None,
        {"inlineData": {"mimeType": "audio/wav", "data": DATA}},
    ), (DATA,)),
    Row("JSON with a schema", {
        CHAT: {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
        RESPONSES: {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
        ANTHROPIC: {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        GEMINI: _config(responseMimeType="application/json", responseJsonSchema=SCHEMA),
    }, ('"marked": {',)),
    Row("JSON without a schema", {
        CHAT: {"response_format": {"type": "json_object"}}, RESPONSES: {"text": {"format": {"type": "json_object"}}},
        GEMINI: _config(responseMimeType="application/json"),
    }, ('"json_object"', '"application/json"')),
    Row("stop sequences", {
        CHAT: {"stop": ["MARK"]}, ANTHROPIC: {"stop_sequences": ["MARK"]}, GEMINI: _config(stopSequences=["MARK"]),
    }, ('"MARK"',)),
    Row("limits of length", {
        CHAT: {"max_tokens": 777}, RESPONSES: {"max_output_tokens": 777}, ANTHROPIC: {"max_tokens": 777},
        GEMINI: _config(maxOutputTokens=777),
    }, (": 777",)),
    Row("`temperature`", {
        CHAT: {"temperature": 0.125}, RESPONSES: {"temperature": 0.125}, ANTHROPIC: {"temperature": 0.125},
        GEMINI: _config(temperature=0.125),
    }, (": 0.125",)),
    Row("`top_p`", {
        CHAT: {"top_p": 0.125}, RESPONSES: {"top_p": 0.125}, ANTHROPIC: {"top_p": 0.125}, GEMINI: _config(topP=0.125),
    }, (": 0.125",)),
    Row("`top_k`", {ANTHROPIC: {"top_k": 77}, GEMINI: _config(topK=77)}, (": 77",)),
    Row("`seed`", {CHAT: {"seed": 777}, GEMINI: _config(seed=777)}, (": 777",)),
    Row("`frequency_penalty`", {CHAT: {"frequency_penalty": 0.125}, GEMINI: _config(frequencyPenalty=0.125)},
        (": 0.125",)),
    Row("`user`", {CHAT: {"user": "marked_user"}, RESPONSES: {"user": "marked_user"}}, ('"marked_user"',)),
    Row("how much to reason, by models that do", {
        CHAT: {"reasoning_effort": "high"}, RESPONSES: {"reasoning": {"effort": "high"}},
        ANTHROPIC: {"max_tokens": 20_000, "thinking": {"type": "enabled", "budget_tokens": 16000}},
        GEMINI: _config(maxOutputTokens=20_000, thinkingConfig={"thinkingBudget": 16000}),
    }, ('"reasoning_effort"', '"reasoning": {', '"thinking": {', '"thinkingConfig"'), THINKING),
    Row("more than one answer", {CHAT: {"n": 2}, GEMINI: _config(candidateCount=2)}, (": 2",)),
    Row("log probabilities", {CHAT: {"logprobs": True}, GEMINI: _config(responseLogprobs=True)}, ("ogprobs",)),
    Row("hosted tools alone", {
        RESPONSES: {"tools": [{"type": "web_search"}]},
        ANTHROPIC: {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        GEMINI: {"tools": [{"googleSearch": {}}]},
    }, ("earch",)),
    Row("files that a provider keeps", _user(
        {"type": "file", "file": {"file_id": "f-1"}}, {"type": "input_file", "file_id": "f-1"},
        {"type": "document", "source": {"type": "file", "file_id": "f-1"}},
    ), ("f-1",)),
    Row("what is stored at one provider", {
        RESPONSES: {"previous_response_id": "resp_1"}, GEMINI: {"cachedContent": "cachedContents/1"},
    }, ("resp_1", "cachedContents/1")),
)  # fmt: skip
YES, REFUSED, DROPPED, TOLD = "yes", "400", "dropped", "told"


def outcome(row: Row, client: Dialect, provider: Dialect) -> str:
    """What becomes of it in one direction."""
    document = copy.deepcopy({"model": "m", **LEAST[client], **row.asked[client]})
    asked = RequestFacts("m", False, frozenset(), 0, document=document)
    if unsupported(DIALECTS[client], DIALECTS[provider], asked):
        return REFUSED
    to = Recipient(row.models[provider], reasons=True, facts=facts_of(row.models[provider]))
    sent = convert(DIALECTS[client].conversion, DIALECTS[provider].conversion, copy.deepcopy(document), to)
    return YES if any(mark in json.dumps(sent, ensure_ascii=False) for mark in row.marks) else DROPPED


IMAGE_ANSWERS: Mapping[Dialect, Mapping[str, Any]] = {
    CHAT: {"choices": [{"message": {"images": [{"image_url": {"url": f"data:image/png;base64,{DATA}"}}]}}]},
    RESPONSES: {"status": "completed", "output": [{"type": "image_generation_call", "id": "ig", "result": DATA}]},
    GEMINI: {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": DATA}}]}}]},
}
"""Anthropic's models make no images."""


def image_outcome(client: Dialect, provider: Dialect) -> str:
    """What becomes of an image in an answer."""
    listener = Listener(RequestFacts("m", False, frozenset(), 0), request_id="r")
    codec = codec_for(
        DIALECTS[client], DIALECTS[provider], listener, Provider(name="p", base_url="http://p.test"), True
    )
    reader = codec.reader(200, "application/json")
    frames = [*reader.read(json.dumps(IMAGE_ANSWERS[provider]).encode()), *reader.close()]
    answer = b"".join(frame.data for frame in frames).decode()
    return YES if DATA in answer else TOLD if "cannot be shown here" in answer else DROPPED


def image_cell(client: Dialect) -> str:
    return ", ".join(sorted({image_outcome(client, provider) for provider in IMAGE_ANSWERS if provider is not client}))


def cell(row: Row, provider: Dialect) -> str:
    """In a word, if it is the same from everywhere. `–`: no other dialect can ask for it."""
    found = {client: outcome(row, client, provider) for client in row.asked if client is not provider}
    if len(set(found.values())) <= 1:
        return next(iter(found.values()), "–")
    return "; ".join(
        f"{word} from {', '.join(f'`{client}`' for client, each in found.items() if each == word)}"
        for word in dict.fromkeys(found.values())
    )


def table() -> str:
    head = [f"| asked | {' | '.join(f'to `{each}`' for each in Dialect)} |", f"|{' --- |' * (1 + len(Dialect))}"]
    rows = [f"| {row.what} | {' | '.join(cell(row, provider) for provider in Dialect)} |" for row in ROWS]
    answers = [head[0].replace("asked", "answered", 1), head[1]]
    answers.append(f"| images that a model makes | {' | '.join(map(image_cell, Dialect))} |")
    return "\n".join([*head, *rows, "", *answers])


def with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
