"""`pointsman explain [FILE]`: which candidates the running router would choose for the request in the file, and why;
without one, for a short chat. Nothing is sent to any provider.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pointsman.commands.admin_client import AdminApiError, add_router, connect
from pointsman.commands.terminal import printable
from pointsman.config.declared_names import AUTO
from pointsman.routing.strategies.registry import DEFAULT_STRATEGY
from pointsman.wire.request_options import describe_unknown

COLUMNS = "{:>5}  {:<44} {:<12} {:>6}  {:>6} {:>6}  {:>5} {:>5} {:>5}  {:>5} {:>6}"

CACHE_COLUMNS = "       {:<44} {:>9} {:>9} {:>9} {:>9}  {:>7} {:>7}"
CONTINUED = "continued"
AGAINST = {"elsewhere": "elsewhere", "past": "before"}
"""What a target that has drifted is compared with, in words."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pointsman explain", description=__doc__)
    parser.add_argument("file", nargs="?", help="the body of a request, as JSON; - reads standard input")
    add_router(parser)
    parser.add_argument("--model", help=f"without FILE: the requested model (default: {AUTO})")
    parser.add_argument("--path", default="/v1/chat/completions", help="path of the request")
    parser.add_argument("--client", help="explain it for this named client: what it may not use or pay for is excluded")
    parser.add_argument("--json", action="store_true", help="print the full answer as JSON")
    given = parser.parse_args(arguments)
    if given.file and given.model:
        parser.error("--model is for a chat without FILE: a file names its own model")
    try:
        body = request_body(given.file, given.model or AUTO)
        query = urlencode({name: value for name in ("path", "client") if (value := getattr(given, name))})
        answer = connect(given).post(f"/internal/explain?{query}", body)
    except AdminApiError as error:
        return _failed(str(error))
    except OSError as error:
        hint = "; for a model's name, write --model NAME" if isinstance(error, FileNotFoundError) else ""
        return _failed(f"{given.file}: {error.strerror or error}{hint}")
    print(json.dumps(answer, indent=2) if given.json else "\n".join(table(printable(answer))))
    return 0


def request_body(file: str | None, model: str) -> bytes:
    """Raises OSError."""
    if file is None:
        return json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def table(answer: dict[str, Any]) -> list[str]:
    """The answer as lines of text: candidates in order with their scores, then the excluded ones."""
    weights = " ".join(f"{name} {weight:g}" for name, weight in answer["weights"].items())
    verb = "is unknown and taken as" if answer["is_unknown"] else "means"
    means = ", then ".join(step["name"] for step in answer["chain"] or ()) or answer["means"]
    lines = [f"{answer['model']} {verb} {means}, mode {answer['mode']} ({weights})"]
    if answer["strategy"] != DEFAULT_STRATEGY:
        lines.append(f"ordered by {answer['strategy']}, not by score")
    if answer["options"]:
        lines.append("options: " + ", ".join(f"{name} {_option(value)}" for name, value in answer["options"].items()))
    lines += map(describe_unknown, answer.get("unknown_options", ()))
    if answer["note"]:
        lines.append(answer["note"])
    lines += [
        "",
        COLUMNS.format("place", "candidate", "why", "score", "R draw", "mean", "S", "T", "I", "room", "429s"),
    ]
    lines += [COLUMNS.format(*_cells(candidate)) for candidate in answer["candidates"]]
    if drifted := [line for candidate in answer["candidates"] for line in _drift(candidate)]:
        lines += ["", "drifted:", *dict.fromkeys(drifted)]
    lines += _caches(answer["candidates"])
    lines += _recoveries(answer.get("recoveries", {}))
    if answer["excluded"]:
        lines += ["", "excluded:"]
    return lines + [_exclusion(each) for each in answer["excluded"]]


def _option(value: Any) -> str:
    """As a header has it."""
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return " or ".join(value)
        case float():
            return f"{value:g}s" if value else "off"
        case _:
            return str(value)


def _cells(candidate: dict[str, Any]) -> list[str]:
    terms, label = candidate["terms"], f"{candidate['provider']}/{candidate['model']}"
    key = f" #{candidate['key']}" if candidate["key"] else ""
    reliability = terms["reliability"]
    numbers = (
        candidate["score"], reliability["draw"], reliability["mean"], terms["speed"], terms["latency"],
        terms["intelligence"], terms["headroom"],
    )  # fmt: skip
    why = str(candidate["why"]).partition(",")[0]
    return [str(candidate["place"]), label + key, why, *(f"{each:.2f}" for each in numbers), f"-{terms['penalty']:.2f}"]


def _drift(candidate: dict[str, Any]) -> list[str]:
    """One line for each signal; the keys of a target have the same ones."""
    label = f"{candidate['provider']}/{candidate['model']}"
    return [
        f"  {label}: {each['signal']} {each['direction']} than {AGAINST[each['against']]},"
        f" {each['figure']:g} against {each['reference']:g}"
        for each in candidate["drift"]
    ]


def _caches(candidates: list[dict[str, Any]]) -> list[str]:
    """What the next turn costs at each candidate; nothing for a conversation without a cache."""
    cached = [each for each in candidates if each["cache"]["expected_tokens"] is not None]
    if not cached:
        return []
    heads = CACHE_COLUMNS.format("candidate", "cached", "turn", "later", "move", "cold", "warm")
    return ["", heads, *(CACHE_COLUMNS.format(*_cache_cells(each)) for each in cached)]


def _cache_cells(candidate: dict[str, Any]) -> list[str]:
    cache = candidate["cache"]
    money = (f"${amount:.4f}" if amount is not None else "-" for amount in map(
        _number, (cache["turn_usd"], cache["later_turn_usd"], cache["move_usd"])
    ))  # fmt: skip
    waits = (cache["first_content_cold"], cache["first_content_warm"])
    label = f"{candidate['provider']}/{candidate['model']}"
    return [label, str(cache["expected_tokens"]), *money, *("-" if each is None else f"{each:.1f} s" for each in waits)]


def _recoveries(found: Mapping[str, int]) -> list[str]:
    """What became of streams that broke lately; nothing if none did."""
    if not found:
        return []
    why = ", ".join(f"{reason} {count}" for reason, count in found.items() if reason != CONTINUED)
    went_on = f"{found.get(CONTINUED, 0)} went on{why and f'; the others: {why}'}"
    return ["", f"streams that broke in the last 15 minutes: {sum(found.values())}, of which {went_on}"]


def _number(amount: str | None) -> float | None:
    return None if amount is None else float(amount)


def _exclusion(each: dict[str, Any]) -> str:
    key = f" #{each['key']}" if each["key"] else ""
    detail = f" ({each['detail']})" if each["detail"] else ""
    return f"  {each['provider']}/{each['model']}{key}: {each['reason']}{detail}"


def _failed(message: str) -> int:
    print(f"pointsman explain: {message}", file=sys.stderr)
    return 1
