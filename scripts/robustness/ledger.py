"""Compares the router's ledger with the providers' bills, to the nano-dollar. It uses none of the router's code.

An answer that its provider has ended and the router has taken to its end costs what the provider bills, by its report
where it has one. What was cut, cancelled or given up is settled without the provider's word: a report that had come by
then counts; else the text of the request, four bytes a token, and of the answer as far as the router received it. The
provider cannot know how far that was, since bytes under way may be lost: where the client took all that there was, its
bytes say it; elsewhere the bytes that the router received of the body are the limit. The price of the tokens is always
exact. What was refused, or never connected, costs nothing.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from robustness.answer_check import events
from robustness.bills import BYTES_PER_TOKEN, NANO, Bill, Tokens, bill, price
from robustness.budgets import Budgets
from robustness.continuation import follower_of
from robustness.expected_answer import expected_body
from robustness.faults import FAULTS, Kind
from robustness.other_requests import is_other
from robustness.promise import key_number
from robustness.requests import ChatRequest, Dialect

WHOLE = frozenset({"request_success", "retry_success", "hedge_winner", "stream_continued"})
CUT = frozenset({"stream_broken", "stream_stalled"})
CANCELLED = frozenset({"hedge_loser_cancelled", "client_abort"})
GIVEN_UP = frozenset({"first_byte_timeout", "answer_timeout"})
"""Errors of attempts that the router has cancelled for being slow."""
NOTICE = "hedge_triggered"
KEPT = 1 << 20
"""Bytes of an answer above which the router estimates its text by the beginning."""
PAGE = 500
ROW = 6
"""Members of a row about a request for an answer; one for the rest of an answer has one more: its size."""


@dataclass(slots=True)
class Ledger:
    """What the router says that all exchanges have cost. `said` has the bytes of text that clients got of answers that
    broke off, by request. `budgets` has what each client's attempts came to.
    """

    said: dict[str, int] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)
    violations: list[str] = field(default_factory=list)
    reported: int = 0
    """Nano-dollars for answers with a report."""
    estimated: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    """How many were `reported`, `estimated` or `free`."""
    _last: dict[str, int] = field(default_factory=dict)
    """The number of the last exchange that was added, for each router."""
    _waiting: list[Mapping[str, Any]] = field(default_factory=list)
    _outcomes: dict[tuple[str, str, int | None], list[str]] = field(default_factory=lambda: defaultdict(list))

    def last(self, router: str) -> int:
        """The number of the last exchange of this router that was added; -1 for none."""
        return self._last.get(router, -1)

    def add(self, exchanges: Sequence[Mapping[str, Any]], router: str) -> None:
        """The exchanges of a router that have ended since the last time, oldest first."""
        for each in exchanges:
            if missing := each["seq"] - self.last(router) - 1:
                self.violations.append(f"{missing} exchanges before {each['request_id']} are lost")
            self._last[router] = each["seq"]
        self._waiting += exchanges
        self.budgets.add(exchanges, NOTICE)

    def settle(self, seen: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        """Checks all exchanges, and that none of the answers that the providers have `seen` through is missing."""
        asked = {n: row[-1] for n, rows in seen.items() for row in rows if len(row) > ROW}
        for each in self._waiting:
            if request_of(each["request_id"]) is None:
                self.violations += [f"{each['request_id']}: {fault}" for fault in self._faults_of_other(each)]
                continue
            faults = self._faults(each, asked.get(each["request_id"]))
            self.violations += [f"{each['request_id']}: {fault}" for fault in faults]
        self._waiting.clear()
        self.violations += missing(self._outcomes, seen)

    def hold_against(self, clients: Sequence[Mapping[str, Any]], limits_hold: bool) -> None:
        """Checks what `/api/clients` shows. See `Budgets.violations`."""
        self.violations += self.budgets.violations(clients, limits_hold)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.attempts.items()))
        reported, estimated = Decimal(self.reported) / NANO, Decimal(self.estimated) / NANO
        return f"${reported} as reported and ${estimated} as estimated, for attempts: {counts or 'none'}"

    def _faults(self, exchange: Mapping[str, Any], asked: int | None) -> Iterator[str]:
        """`asked`: bytes of text in the request for the rest of an answer, if one was received."""
        follower = follower_of(exchange["attempts"])
        seed, n = exchange["request_id"].split(".")
        request, total = ChatRequest.of(int(seed), int(n)), 0
        for attempt in exchange["attempts"]:
            name = f"attempt {attempt['n']} at {attempt['provider']}, {attempt['outcome']} {attempt['error']}"
            if attempt["outcome"] == NOTICE:
                yield from [f"{name}: the notice of a race costs something"] if attempt["cost_usd"] else []
                continue
            self._outcomes[request.id, attempt["provider"], key_number(attempt["key"])].append(
                "cancelled" if is_cancelled(attempt) or is_unfit(attempt) else attempt["outcome"]
            )
            if (cost := nano_dollars(attempt["cost_usd"])) is None:
                yield f"{name}: costs {attempt['cost_usd']!r}"
                continue
            total += cost
            self._count(attempt["usage"], cost)
            said, size = self.said.get(request.id), None
            if follower is attempt:
                said, size = None, asked
            elif follower and attempt["n"] == follower["continues"]:
                said = follower["prefix_chars"]
            fault = wrong_cost(request, attempt, cost, said, size)
            yield from [f"{name}: {fault}; {attempt['usage']}, {attempt['cost_usd']}"] if fault else []
        if exchange["attempts"] and nano_dollars(exchange["cost_usd"]) != total:
            yield f"costs {exchange['cost_usd']}, its attempts {total} nano-dollars"

    def _faults_of_other(self, exchange: Mapping[str, Any]) -> Iterator[str]:
        """Of one that is no chat of a known number: that its tokens cost what they must."""
        total = 0
        for attempt in exchange["attempts"]:
            usage, cost = attempt["usage"], nano_dollars(attempt["cost_usd"] or "0")
            total += cost or 0
            if attempt["outcome"] == NOTICE or usage is None:
                yield from [f"{attempt['outcome']} costs {cost} without usage"] if cost else []
                continue
            self._count(usage, cost or 0)
            tokens = Tokens(**{name: usage[name] for name in asdict(Tokens())})
            if cost != (due := price(attempt["provider"], tokens)):
                yield f"{usage} at {attempt['provider']} cost {due} nano-dollars, not {attempt['cost_usd']}"
        if exchange["attempts"] and nano_dollars(exchange["cost_usd"]) != total:
            yield f"costs {exchange['cost_usd']}, its attempts {total} nano-dollars"

    def _count(self, usage: Mapping[str, Any] | None, cost: int) -> None:
        kind = "free" if usage is None else "estimated" if usage.get("estimated") else "reported"
        self.attempts[kind] += 1
        self.reported += cost if kind == "reported" else 0
        self.estimated += cost if kind == "estimated" else 0


def request_of(request_id: str) -> ChatRequest | None:
    """None for what is no chat, and for what came over a WebSocket connection, which has an id of the router."""
    seed, _, n = request_id.partition(".")
    return None if is_other(request_id) or not n.isdigit() else ChatRequest.of(int(seed), int(n))


def nano_dollars(text: str | None) -> int | None:
    """Of plain decimal text; None for anything else."""
    if not isinstance(text, str) or not text.replace(".", "", 1).isdigit():
        return None
    amount = Decimal(text) * NANO
    return int(amount) if amount == int(amount) else None


def is_cancelled(attempt: Mapping[str, Any]) -> bool:
    """The router did not wait for its end."""
    return attempt["outcome"] in CANCELLED or attempt["error"] in GIVEN_UP


def is_unfit(attempt: Mapping[str, Any]) -> bool:
    """It was to go on with an answer, and failed before it did."""
    return "continues" in attempt and attempt["outcome"] == "retry_failed"


def wrong_cost(
    request: ChatRequest, attempt: Mapping[str, Any], cost: int, said: int | None, asked: int | None = None
) -> str:
    """Why an attempt may not cost this many nano-dollars; empty if it may. `asked`: bytes of text in its request, where
    those are not the client's.
    """
    sent, usage, outcome = bill(request, attempt["provider"]), attempt["usage"], attempt["outcome"]
    if usage is None:
        return _wrongly_free(attempt, cost)
    tokens = Tokens(**{name: usage[name] for name in asdict(sent.tokens)})
    if not usage.get("estimated"):
        return _wrong_report(sent, tokens, cost, outcome in WHOLE)
    if outcome in WHOLE and sent.form:
        return "was estimated, although its provider reported it"
    if outcome not in WHOLE and outcome not in CUT and not is_cancelled(attempt) and not is_unfit(attempt):
        return "was estimated, although nothing was due"
    if cost != price(sent.provider, tokens):
        return f"these tokens cost {price(sent.provider, tokens)} nano-dollars"
    size = request.text_size if asked is None else asked
    if replace(tokens, output=0, reasoning=0) not in _prompts(size, sent):
        return f"the request has {size // BYTES_PER_TOKEN} tokens"
    return _wrong_output(request, attempt, tokens.output, said)


def _wrongly_free(attempt: Mapping[str, Any], cost: int) -> str:
    was_refused = attempt["status"] is not None and attempt["status"] >= 400
    is_due = is_cancelled(attempt) and attempt["connected_ms"] is not None and not was_refused
    if cost:
        return "costs something without usage"
    return "costs nothing" if is_due or attempt["outcome"] in WHOLE | CUT else ""


def _wrong_report(sent: Bill, tokens: Tokens, cost: int, is_whole: bool) -> str:
    if sent.form and tokens == sent.tokens:
        return "" if cost == sent.cost else f"its provider bills {sent.cost} nano-dollars"
    if not is_whole and tokens == sent.opening:
        return "" if cost == price(sent.provider, tokens) else f"{price(sent.provider, tokens)} nano-dollars are due"
    return f"its provider reports {sent.tokens if sent.form else 'nothing'}"


def _prompts(size: int, sent: Bill) -> Iterable[Tokens]:
    """What may count as the request: its text, or what was reported at the beginning of the answer."""
    yield Tokens(input=size // BYTES_PER_TOKEN)
    if sent.opening:
        yield replace(sent.opening, output=0)


def _wrong_output(request: ChatRequest, attempt: Mapping[str, Any], output: int, said: int | None) -> str:
    if attempt["outcome"] in WHOLE and "continues" not in attempt:
        body = expected_body(request, attempt["provider"])
        said = text_size(request, body) if len(body) <= KEPT else None
    elif attempt["outcome"] not in CUT or "continues" in attempt:
        said = None
    if said is None:
        return "" if output <= -(-attempt["bytes"] // BYTES_PER_TOKEN) else f"only {attempt['bytes']} bytes came"
    due = -(-said // BYTES_PER_TOKEN)
    return "" if output == due else f"the text of the answer has {due} tokens"


def text_size(request: ChatRequest, body: bytes) -> int:
    """Bytes of text in an answer, or in as much of it as there is. Where a stream repeats a text, the last one
    counts.
    """
    if not request.stream:
        return len("".join(_texts_of_whole(request.dialect, json.loads(body))).encode())
    documents = [_document(event) for event in events(body)]
    done = [each["text"] for each in documents if each.get("type") == "response.output_text.done"]
    return len("".join(done or [_text_of(request.dialect, each) for each in documents]).encode())


def _texts_of_whole(dialect: Dialect, document: Any) -> Iterator[str]:
    match dialect:
        case Dialect.CHAT:
            yield document["choices"][0]["message"]["content"] or ""
        case Dialect.MESSAGES:
            yield from (block["text"] for block in document["content"])
        case Dialect.RESPONSES:
            yield from (part["text"] for item in document["output"] for part in item["content"])
        case Dialect.GEMINI:
            yield from (part["text"] for part in document["candidates"][0]["content"]["parts"])


def _document(event: bytes) -> dict[str, Any]:
    """Empty where it is none."""
    data = b"\n".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text_of(dialect: Dialect, document: dict[str, Any]) -> str:
    match dialect:
        case Dialect.CHAT if document.get("choices"):
            return document["choices"][0]["delta"].get("content") or ""
        case Dialect.MESSAGES if document.get("type") == "content_block_delta":
            return str(document["delta"]["text"])
        case Dialect.RESPONSES if document.get("type") == "response.output_text.delta":
            return str(document["delta"])
        case Dialect.GEMINI if document.get("candidates"):
            return "".join(part["text"] for part in document["candidates"][0]["content"]["parts"])
        case _:
            return ""


def missing(
    outcomes: Mapping[tuple[str, str, int | None], Sequence[str]], seen: Mapping[str, Sequence[Sequence[Any]]]
) -> Iterator[str]:
    """Answers that a provider has ended well and the ledger lacks, or the other way round."""
    ended: Counter[tuple[str, str, int | None]] = Counter()
    for request_id, rows in seen.items():
        seed, n = request_id.split(".")
        request = ChatRequest.of(int(seed), int(n))
        if request.is_over_socket:
            continue
        for provider, fault, _, key, _, has_ended, *_ in rows:
            kind = FAULTS[fault].streamed if request.stream else FAULTS[fault].whole
            ended[request_id, provider, key] += has_ended and kind is Kind.GOOD
    for place in {*ended, *outcomes}:
        told = outcomes.get(place, ())
        whole, cancelled = sum(each in WHOLE for each in told), told.count("cancelled")
        if ended[place] > whole + cancelled:
            yield f"{place}: {ended[place]} answers were ended, but the ledger has {list(told)}"


async def newest_first(page: Any, last: int) -> list[Mapping[str, Any]]:
    """The exchanges after the number `last`, oldest first; `page` reads one of the router's own pages."""
    found: list[Mapping[str, Any]] = []
    before = ""
    while True:
        status, told = await page(f"/api/exchanges?limit={PAGE}{before}")
        if status != 200:
            raise OSError(f"/api/exchanges: {status} {told}")
        fresh = [each for each in told["exchanges"] if each["seq"] > last]
        found += fresh
        if len(fresh) < len(told["exchanges"]) or told["next"] is None:
            return found[::-1]
        before = f"&before={told['next']}"
