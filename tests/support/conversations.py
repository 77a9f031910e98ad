"""Conversations before any dialect: what users, tools and models say, and what of it a party has read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
LARGE_PNG = PNG.rstrip("=") + "A" * 300_000
SYSTEM = "You keep the tracks of a small station."
LOOK, MOVE, ODD = "look", "yard__move", "2nd.yard:" + "push_the_wagon_" * 5
TOOLS = {
    ODD: {"type": "object"},
    LOOK: {"type": "object", "properties": {"track": {"type": "integer"}}, "required": ["track"]},
    MOVE: {"type": "object", "properties": {"wagon": {"type": "string"}, "to": {"type": "integer"}}},
}


class Call(NamedTuple):
    """A model's call; `arguments` as it wrote them."""

    id: str
    name: str
    arguments: str


class Result(NamedTuple):
    """What the client's tool gave. `image`: a PNG in base64, or ""."""

    text: str
    image: str = ""


class Answer(NamedTuple):
    """What a model says. `finish` is in OpenAI's words; `image` is a PNG in base64, behind the text."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    refusal: str = ""
    finish: str = "stop"
    image: str = ""


class Turn(NamedTuple):
    """Results of all the calls before it, and what the user says; then the answer."""

    user: str
    answer: Answer
    results: tuple[Result, ...] = ()


@dataclass
class Asked:
    """What a provider reads in a request: texts in order, calls as (id, name, arguments), results as (id, text).

    `faults` are the rules that it breaks beside those of its types.
    """

    user: list[str] = field(default_factory=list)
    assistant: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    results: list[tuple[str, str]] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def require(self, is_kept: bool, rule: str) -> None:
        if not is_kept:
            self.faults.append(rule)


@dataclass
class Said:
    """What a client reads in an answer. `items` is what it sends back of it, in its own dialect."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    refusal: str = ""
    finish: str = ""
    image: str = ""
    items: list[Any] = field(default_factory=list)


def halves(text: str) -> list[str]:
    """Both halves, without empty ones."""
    return [half for half in (text[: len(text) // 2], text[len(text) // 2 :]) if half]


def words(content: Any) -> str:
    """The texts of a content that is a string or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text", part.get("refusal", "")) for part in content)


def finish_of(calls: Sequence[Call]) -> str:
    """How an answer ends in dialects whose word for it does not tell calls from words."""
    return "tool_calls" if calls else "stop"


# The table.


def look(call_id: str, track: int = 3) -> Call:
    return Call(call_id, LOOK, f'{{"track": {track}}}')


def move(call_id: str) -> Call:
    return Call(call_id, MOVE, '{"wagon": "B 12", "to": 4}')


def calling(*calls: Call, text: str = "", reasoning: str = "") -> Answer:
    return Answer(text, reasoning, calls, finish="tool_calls")


GOODBYE = Turn("Thank you.", Answer("You are welcome."))
CUT = Answer("I look. ", calls=(Call("call_1", LOOK, '{"track": '),), finish="length")


def switched(turns: int) -> tuple[Turn, ...]:
    """A long conversation of words, thoughts, calls, parallel calls and results with images, with the same few ids."""
    said: list[Turn] = []
    for number in range(turns // 3):
        calls = (look("call_0", number), move("call_1"))
        said += [
            Turn(f"What stands on track {number}?", calling(*calls, text=f"I look at {number}.", reasoning="Which?")),
            Turn("", calling(look("call_0", number + 1)), (Result(f"wagon {number}", PNG), Result("moved"))),
            Turn("", Answer(f"All is well on {number}.", "Fine."), (Result(f"engine {number}"),)),
        ]
    return tuple(said)


CONVERSATIONS: dict[str, tuple[Turn, ...]] = {
    "text": (Turn("Which track?", Answer("The left one,\n“naturally”. 🚂")), GOODBYE),
    "reasoning": (Turn("Which track?", Answer("The left one.", "Left is free. Right is not.")), GOODBYE),
    "one call": (
        Turn("Which track?", calling(look("call_1"), text="I look.", reasoning="Look first.")),
        Turn("", Answer("It is free."), (Result("free"),)),
        GOODBYE,
    ),
    "parallel calls": (
        Turn("Which track?", calling(look("call_1", 1), look("call_2", 2), move("call_3"))),
        Turn("", Answer("Track 2 is free."), (Result("taken"), Result("free"), Result("moved"))),
        GOODBYE,
    ),
    "results with images": (
        Turn("What do you see?", calling(look("call_1", 1), look("call_2", 2))),
        Turn("", Answer("An engine."), (Result("camera 1", PNG), Result("camera 2", PNG))),
        GOODBYE,
    ),
    "image": (Turn("Draw the left track.", Answer("Here it is: ", image=PNG)),),
    "image alone": (Turn("Draw the left track.", Answer(image=PNG)),),
    "large image": (Turn("Draw all tracks.", Answer("Here they are: ", "All of them.", image=LARGE_PNG)),),
    "long text": (Turn("Tell it all.", Answer("wagon " * 40_000, "engine " * 40_000)), GOODBYE),
    "long text with escapes": (Turn("Tell it all.", Answer('"é"\n' + "wagon\n" * 40_000 + "tail" * 40_000)), GOODBYE),
    "long call": (Turn("Move.", calling(Call("call_1", MOVE, f'{{"wagon": "{"B" * 300_000}", "to": 4}}'))),),
    "cut text": (Turn("Which track?", Answer("The left", finish="length")), Turn("Go on.", Answer(" one."))),
    "cut thought": (Turn("Which track?", Answer("", "Left is fr", finish="length")), GOODBYE),
    "cut call": (Turn("Which track?", CUT),),
    "filtered": (Turn("Which track?", Answer("The l", finish="content_filter")), GOODBYE),
    "refusal": (Turn("Derail it.", Answer(refusal="I cannot help with that.")), GOODBYE),
    "empty": (Turn("Say nothing.", Answer()), GOODBYE),
    "empty at the limit": (Turn("Which track?", Answer(finish="length")), GOODBYE),
    "blank question": (Turn(" \n", Answer("What did you ask?")), GOODBYE),
    "call without arguments": (
        Turn("Move.", calling(Call("call_1", MOVE, ""))),
        Turn("", Answer("Done."), (Result("moved"),)),
    ),
    "odd name": (
        Turn("Push.", calling(Call("call_1", ODD, '{"slowly": true}'), text="I push.")),
        Turn("", Answer("Done."), (Result("pushed"),)),
        GOODBYE,
    ),
    "repeated ids": (
        Turn("Look twice.", calling(look("call_0", 1))),
        Turn("", calling(look("call_0", 2)), (Result("free"),)),
        Turn("", Answer("Both are free."), (Result("free, too"),)),
    ),
    "equal and empty ids": (
        Turn("Look.", calling(look("same", 1), look("same", 2))),
        Turn("", calling(look("", 3), move("")), (Result("free"), Result("taken"))),
        Turn("", Answer("Well."), (Result("gone"), Result("moved"))),
    ),
    "foreign ids": (
        Turn("Look.", calling(look("functions.look:0 ü/" + "x" * 200), look("toolu/1"))),
        Turn("", Answer("Well."), (Result("free"), Result("taken"))),
    ),
}
