"""What strict clients make of a stream, in each dialect: the text, and whatever would confuse one of them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pointsman.config.enums import Dialect


@dataclass(slots=True)
class Seen:
    text: str = ""
    is_whole: bool = False
    """It has ended as answers do."""
    errors: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What no client should see: two roles, an index that comes again, a number that is missing …"""
    usage: Any = None
    finish: str | None = None
    comments: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Names of the tools that are called."""

    def expect(self, condition: object, words: str) -> None:
        if not condition:
            self.faults.append(words)


def events_of(stream: bytes, seen: Seen) -> Iterator[tuple[str, str]]:
    """The type and the data of each event."""
    for block in stream.decode().replace("\r\n", "\n").split("\n\n"):
        kind, data = "", []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if line.startswith(":"):
                seen.comments.append(line[1:].strip())
            elif name == "event":
                kind = value.strip()
            elif name == "data":
                data.append(value.removeprefix(" "))
            elif line:
                seen.faults.append(f"a line that is no field: {line[:40]}")
        if data:
            yield kind, "\n".join(data)


def read_stream(dialect: Dialect, stream: bytes) -> Seen:
    seen = Seen()
    READERS[dialect](events_of(stream, seen), seen)
    seen.text = seen.text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return seen


def _chat(events: Iterator[tuple[str, str]], seen: Seen) -> None:
    ids, roles, is_done, is_first = set(), 0, False, True
    for _, data in events:
        seen.expect(not is_done, "an event behind the end marker")
        if data == "[DONE]":
            is_done = True
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            seen.errors.append(chunk["error"])
            continue
        ids.add((chunk.get("id"), chunk.get("model"), chunk.get("object")))
        seen.usage = chunk.get("usage") or seen.usage
        for choice in chunk["choices"]:
            seen.expect(seen.finish is None, "a choice behind the finish reason")
            delta = choice["delta"]
            roles += bool(delta.get("role"))
            seen.expect(not delta.get("role") or is_first, "a role within the answer")
            is_first = False
            seen.text += delta.get("content") or ""
            seen.calls += [call["function"]["name"] for call in delta.get("tool_calls") or () if "id" in call]
            seen.finish = choice.get("finish_reason") or seen.finish
    seen.expect(len(ids) <= 1, "two ids")
    seen.expect(roles <= 1, "two roles")
    seen.is_whole = is_done and seen.finish is not None and not seen.errors


def _messages(events: Iterator[tuple[str, str]], seen: Seen) -> None:
    starts, open_block, next_block, is_done = 0, None, 0, False
    for kind, data in events:
        event = json.loads(data)
        seen.expect(event["type"] == kind, "an event of two types")
        seen.expect(not is_done and not seen.errors, "an event behind the end")
        match kind:
            case "ping":
                pass
            case "message_start":
                starts += 1
                seen.usage = event["message"].get("usage")
            case "content_block_start":
                seen.expect(open_block is None and event["index"] == next_block, "a block out of order")
                open_block, next_block = event["index"], next_block + 1
                seen.text += event["content_block"].get("text", "")
                seen.calls += [event["content_block"]["name"]] if "name" in event["content_block"] else []
            case "content_block_delta":
                seen.expect(event["index"] == open_block, "a delta of a block that is not open")
                seen.text += event["delta"].get("text", "")
            case "content_block_stop":
                seen.expect(event["index"] == open_block, "the end of a block that is not open")
                open_block = None
            case "message_delta":
                seen.expect(open_block is None, "an end within a block")
                seen.finish = event["delta"]["stop_reason"]
                seen.usage = {**(seen.usage or {}), **event.get("usage", {})}
            case "message_stop":
                is_done = True
            case "error":
                seen.errors.append(event["error"])
            case _:
                seen.faults.append(f"an event of type {kind}")
    seen.expect(starts <= 1, "two starts")
    seen.is_whole = is_done and seen.finish is not None


def _responses(events: Iterator[tuple[str, str]], seen: Seen) -> None:
    answer_id, number, items, texts = None, 0, dict[int, dict[str, Any]](), defaultdict[str, str](str)
    done: list[dict[str, Any]] = []
    for kind, data in events:
        event = json.loads(data)
        seen.expect(event["type"] == kind, "an event of two types")
        if kind == "ping":
            continue
        seen.expect(seen.finish is None and not seen.errors, "an event behind the end")
        seen.expect(event["sequence_number"] == number, f"event {event['sequence_number']} in place of {number}")
        number += 1
        place = event.get("output_index")
        if "item_id" in event:
            seen.expect(items.get(place, {}).get("id") == event["item_id"], "an event of an item that is not open")
        match kind:
            case "response.created":
                seen.expect(answer_id is None, "two answers")
                answer_id = event["response"]["id"]
            case "response.output_item.added":
                seen.expect(place == len(items), "an item out of order")
                items[place] = event["item"]
                texts[event["item"]["id"]] = ""
                seen.calls += [event["item"]["name"]] if "name" in event["item"] else []
            case "response.output_text.delta":
                seen.expect(event["content_index"] == 0, "a second part")
                texts[event["item_id"]] += event["delta"]
                seen.text += event["delta"]
            case "response.output_text.done":
                seen.expect(event["text"] == joined(texts[event["item_id"]]), "a text that is not that of its deltas")
            case "response.content_part.done":
                seen.expect(event["part"]["text"] == joined(texts[event["item_id"]]), "a part that is not its deltas'")
            case "response.output_item.done":
                seen.expect(items[place]["id"] == event["item"]["id"], "another item is done")
                done.append(event["item"])
            case "response.completed" | "response.incomplete":
                answer = event["response"]
                seen.expect(answer["id"] == answer_id, "another id at the end")
                seen.expect(answer["output"] == done, "items at the end that are not those that were done")
                parts = [part for item in done for part in item.get("content", ())]
                text = "".join(part.get("text", "") for part in parts)
                seen.expect(text == joined(seen.text), "a text at the end that is not that of the deltas")
                seen.finish, seen.usage = answer["status"], answer.get("usage")
            case "response.failed":
                seen.expect(event["response"]["id"] == answer_id, "another id at the end")
                seen.errors.append(event["response"]["error"])
    seen.is_whole = seen.finish is not None


def joined(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _gemini(events: Iterator[tuple[str, str]], seen: Seen) -> None:
    ids = set()
    for _, data in events:
        chunk = json.loads(data)
        seen.expect(not seen.errors, "an event behind the error")
        if "error" in chunk:
            seen.errors.append(chunk["error"])
            continue
        seen.expect(seen.finish is None, "an event behind the end")
        ids.add((chunk["responseId"], chunk["modelVersion"]))
        seen.usage = chunk.get("usageMetadata") or seen.usage
        for candidate in chunk["candidates"]:
            for part in candidate["content"]["parts"]:
                seen.text += part.get("text", "")
                seen.calls += [part["functionCall"]["name"]] if "functionCall" in part else []
            seen.finish = candidate.get("finishReason") or seen.finish
    seen.expect(len(ids) <= 1, "two ids")
    seen.is_whole = seen.finish is not None and not seen.errors


READERS = {
    Dialect.OPENAI_CHAT: _chat,
    Dialect.ANTHROPIC: _messages,
    Dialect.OPENAI_RESPONSES: _responses,
    Dialect.GEMINI: _gemini,
}
