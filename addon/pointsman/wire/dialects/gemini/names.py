"""Names in Gemini's dialect, where JSON members may be spelt in camel or in snake case."""

import re
from functools import lru_cache

from pointsman.wire.json_access import Document, Members


def member(members: Members, name: str) -> object:
    """The member of that name, which is given in camel case."""
    return members[name] if name in members else members.get(_snake(name))


@lru_cache(maxsize=64)
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def respell(members: Document) -> None:
    """Gives every member its name in camel case, in the order of before."""
    spelt = {_camel(name): value for name, value in members.items()}
    members.clear()
    members.update(spelt)


@lru_cache(maxsize=64)
def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)
