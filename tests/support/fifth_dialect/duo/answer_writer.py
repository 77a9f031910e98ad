"""Answers written in Duo."""

from pointsman.wire.conversion.ir import Identity, Inconvertible, Kind, Part, dumps
from pointsman.wire.frames import Opening, Usage
from pointsman.wire.json_access import Members

OVER = {"stop": "done", "length": "cut"}


class DuoWriter:
    opening: Opening | None = None

    def __init__(self) -> None:
        self.items: list[Members] = []
        self.signatures: dict[str, str] = {}

    def begin(self, identity: Identity, usage: Usage | None) -> bytes:
        return b""

    def open(self, part: Part) -> bytes:
        if part.kind is Kind.CALL:
            raise Inconvertible("a call, in a dialect without tools")
        return b""

    def more(self, part: Part, text: str) -> bytes:
        return b"" if part.kind is Kind.THOUGHT else b"data: " + dumps({"say": text}) + b"\n\n"

    def close(self, part: Part) -> bytes:
        return b""

    def end(self, finish: str, usage: Usage | None) -> bytes:
        return b"data: " + dumps(_ending(finish, usage)) + b"\n\n"

    def whole(self, identity: Identity, parts: list[Part], finish: str, usage: Usage | None) -> bytes:
        words = "".join(part.text for part in parts if part.kind is not Kind.THOUGHT)
        lines = [{"who": "me", "words": words}]
        return dumps({"model": identity.model, "lines": lines, **_ending(finish, usage)})


def _ending(finish: str, usage: Usage | None) -> dict[str, object]:
    counts = usage or Usage()
    return {"over": OVER.get(finish, finish), "counts": {"in": counts.prompt, "out": counts.output}}
