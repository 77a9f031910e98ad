"""What the environment says: `POINTSMAN_<SECTION>__<KEY>` over the file, and `${NAME}` within it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pointsman.config import schema
from pointsman.config.document import REFERENCE
from pointsman.config.enums import Level
from pointsman.config.errors import Found
from pointsman.config.messages import FromEnvironment, Place, is_secret, notation, suggestion
from pointsman.config.providers import Key
from pointsman.config.values import Tree

PREFIX = "POINTSMAN_"
BETWEEN = "__"


def override(tree: Tree, env: Mapping[str, str], providers: Iterable[str]) -> list[Found]:
    """Writes every override into `tree`, and returns what is wrong with them. `providers` are all that are known."""
    faults = []
    for variable in sorted(name for name in env if name.startswith(PREFIX) and BETWEEN in name[len(PREFIX) :]):
        try:
            _write(tree, variable, env[variable], providers)
        except ValueError as error:
            faults.append(Found(variable, str(error)))
    return faults


def _write(tree: Tree, variable: str, text: str, providers: Iterable[str]) -> None:
    *parents, last = variable.removeprefix(PREFIX).split(BETWEEN)
    place: list[str] = []
    holder, shape = tree, schema.at(())
    for name in parents:
        place.append(_match(name, holder, shape, place, providers))
        shape = schema.below(shape, place[-1])
        if not schema.has_keys(shape):
            raise ValueError(f"names a key below {notation(place)}, which holds no keys")
        holder = _opened(holder, place)
    key = _match(last, holder, shape, place, providers)
    holder[key] = _read(text, variable, schema.below(shape, key), [*place, key])


def _opened(holder: Tree, place: Place) -> Tree:
    """The mapping at `place`, which is made where the file has none."""
    inner = holder.get(str(place[-1]))
    if inner is None:
        inner = holder[str(place[-1])] = {}
    if not isinstance(inner, dict):
        raise ValueError(f"names a key below {notation(place)}, which is no mapping in the file")
    return inner


def _match(name: str, holder: Tree, shape: Any, place: Place, providers: Iterable[str]) -> str:
    """The key that `name` means here. Case does not count, and `_` stands for what a variable's name cannot hold."""
    where = notation(place) or "the configuration"
    known = schema.names(shape) if schema.is_section(shape) else _table_keys(holder, shape, providers)
    fits = [key for key in known if _plain(key) == _plain(name)]
    if not fits:
        hint = suggestion(_plain(name), map(_plain, known)) or f"; known there: {', '.join(known) or 'none'}"
        raise ValueError(f"names no key of {where}{hint}")
    if len(fits) > 1:
        raise ValueError(f"could mean {' or '.join(fits)} of {where}; write it in the file")
    return fits[0]


def _table_keys(holder: Tree, shape: Any, providers: Iterable[str]) -> list[str]:
    """What is written, what the keys can be if that is a closed set, and in `protection` every provider."""
    more = providers if schema.below(shape, "") is Level else schema.closed_keys(shape)
    return list(dict.fromkeys([*holder, *more]))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def _read(text: str, variable: str, shape: Any, place: Place) -> Any:
    if schema.has_keys(shape):
        keys = f"; name one of {', '.join(schema.names(shape))}" if schema.is_section(shape) else ""
        raise ValueError(f"names {notation(place)}, which is no single value{keys}")
    if not schema.is_list(shape):
        return FromEnvironment(text, variable, hidden=False)
    item = schema.below(shape, 0)
    if schema.is_section(item) and item is not Key:
        raise ValueError(f"names {notation(place)}, a list of mappings; write it in the file")
    return [FromEnvironment(part.strip(), variable, hidden=False) for part in text.split(",") if part.strip()]


class References:
    """Fills in `${NAME}`, and keeps the faults that it met."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[Found] = []

    def filled(self, value: Any, place: tuple[str | int, ...] = ()) -> Any:
        """`value` with every reference replaced; what an override wrote is taken as it stands."""
        if isinstance(value, dict):
            return {key: self.filled(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner, (*place, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and not isinstance(value, FromEnvironment) and "${" in value:
            return self.text(value, place)
        return value

    def text(self, text: str, place: Place) -> str:
        """The text with its variables in it, or unchanged if that is not possible."""
        names = REFERENCE.findall(text)
        problems = list(self.problems(text, names, place))
        self.faults += [Found(notation(place), problem) for problem in problems]
        if problems:
            return text
        filled = REFERENCE.sub(lambda match: self.env[match[1]], text)
        return FromEnvironment(filled, " and ".join(dict.fromkeys(names)), hidden=True)

    def problems(self, text: str, names: list[str], place: Place) -> Iterator[str]:
        if len(names) < text.count("${"):
            yield 'holds a "${" that is not the beginning of ${NAME}; a name is letters, digits and _'
        for name in names:
            if name not in self.env:
                yield f"reads the environment variable {name}, which is not set; set it, or remove this"
            elif is_secret(place) and not self.env[name]:
                yield f"reads the environment variable {name}, which is empty; give it a value, or remove this"
