"""What happens to a client: the turns of its conversation, and what its providers do instead of a plain answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from robustness.continuation import is_continuation, rest_of

from pointsman.demo import Behaviour, Provider, ReceivedRequest, behaviours
from pointsman.demo.script import Script

SIDE_ANSWER = "A few words"
"""To requests that are no turn of the conversation, such as one for a title."""
MAX_CALLS = 2
"""Answers with calls of tools in one turn; a client whose tools fail ends its turn without."""
SECRETS: Mapping[str, str] = {
    "one.txt": "kestrel 4821",
    "two.txt": "lapwing 9034",
    "three.txt": "osprey 2217",
    "four.txt": "plover 7650",
}
"""The files of a client's folder. Only a client that has read one can repeat what is in it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, the files that are read for it, and what it is answered in the end."""

    number: int
    files: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        task = f"read the files {' and '.join(self.files)}, then report." if self.files else "report."
        return f"Question number {self.number}: {task}"

    @property
    def answer(self) -> str:
        """Long enough to be cut in the middle, and to tell conversations apart."""
        return f"Report number {self.number} is complete now; all that was asked for has been looked at and found good."

    def is_in(self, text: str) -> bool:
        """Whether the whole answer is in it; a terminal may have wrapped it."""
        return f"{self.answer}".replace(" ", "") in re.sub(r"\s+", "", text)


class Name(StrEnum):
    TURNS = "turns"
    FAILOVER = "failover"
    SLOW = "slow"
    CUT = "cut"
    RECOVER = "recover"
    CONTINUE = "continue"


type Fault = Callable[[Turn, int], Behaviour | None]
"""What the first provider does with a turn's final answer, given how many times it was asked for it before; None: it
answers.
"""


@dataclass(frozen=True)
class Scenario:
    name: Name
    turns: tuple[Turn, ...]
    fault: Fault = lambda turn, asked: None
    is_slow: bool = False
    recover: str = "off"
    """The router's `stream.recover`."""


def scenarios(first_token: float) -> dict[Name, Scenario]:
    """`first_token` is how many seconds the slow one takes."""

    def delayed(turn: Turn, _: int) -> Behaviour:
        return behaviours.answer(turn.answer, first_delay=first_token)

    def breaks_before_the_first_token(turn: Turn, _: int) -> Behaviour:
        return behaviours.cut(turn.answer, after_tokens=0)

    def breaks_once(turn: Turn, asked: int) -> Behaviour | None:
        return None if asked else behaviours.truncated(turn.answer, after_tokens=6)

    one, two, three = Turn(1, ("one.txt", "two.txt")), Turn(2), Turn(3, ("three.txt", "four.txt"))
    found = [
        Scenario(Name.TURNS, (one, two, three)),
        Scenario(Name.FAILOVER, (Turn(1),), breaks_before_the_first_token),
        Scenario(Name.SLOW, (Turn(1),), delayed, is_slow=True),
        Scenario(Name.CUT, (Turn(1),), breaks_once),
        Scenario(Name.RECOVER, (Turn(1),), breaks_once, recover="any"),
        Scenario(Name.CONTINUE, (Turn(1), Turn(2))),
    ]
    return {each.name: each for each in found}


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """A request of the conversation itself, as a provider received it. `step` counts those of its turn, from 0."""

    provider: str
    received: ReceivedRequest
    turn: Turn
    step: int
    called: tuple[str, ...]
    """The files for which it was answered with calls."""


type Calls = Callable[[ReceivedRequest, Sequence[str]], Sequence[tuple[str, Mapping[str, object]]]]
"""The calls that read these files, as this client's tools want them."""


@dataclass
class Model:
    """Answers for all providers of a run, so that it knows which turn the conversation is at."""

    scenario: Scenario
    is_turn: Callable[[ReceivedRequest], bool]
    calls: Calls
    first: str
    """The provider that should answer."""
    seen: list[TurnRequest] = field(default_factory=list)
    asides: list[ReceivedRequest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it could not call the tools that it should have."""

    def script(self, provider: str) -> Script:
        return lambda request: self._choose(provider, request)

    def _choose(self, provider: str, request: ReceivedRequest) -> Behaviour:
        body = request.body.decode(errors="replace")
        turn = next((each for each in reversed(self.scenario.turns) if each.question[:17] in body), None)
        if turn is None or not self.is_turn(request):
            self.asides.append(request)
            return behaviours.answer(SIDE_ANSWER)
        before = [each for each in self.seen if each.turn == turn]
        if is_continuation(request.question):
            self.seen.append(TurnRequest(provider, request, turn, len(before), ()))
            return behaviours.answer(rest_of(turn.answer, request.question))
        missing = tuple(name for name in turn.files if SECRETS[name] not in body)
        calls = missing if sum(bool(each.called) for each in before) < MAX_CALLS else ()
        self.seen.append(TurnRequest(provider, request, turn, len(before), calls))
        if calls:
            try:
                return behaviours.answer("", tool_calls=self.calls(request, calls))
            except LookupError as error:
                self.problems.append(str(error))
        fault = self.scenario.fault(turn, len(before)) if provider == self.first else None
        return fault or behaviours.answer(turn.answer)


def providers(model: Model, names: Sequence[str], model_id: str) -> list[Provider]:
    """One for each name, not yet started."""
    return [Provider(model.script(name), name=name, models=(model_id,)) for name in names]
