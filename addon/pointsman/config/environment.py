"""Environment variables: `POINTSMAN_<SECTION>__<KEY>` over the file, and `${NAME}` within it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pointsman.config import schema
from pointsman.config.document import REFERENCE
from pointsman.config.enums import ProtectionLevel
from pointsman.config.errors import ConfigIssue
from pointsman.config.messages import ConfigPath, FromEnvironment, format_path, is_secret_path, suggestion
from pointsman.config.providers import Key
from pointsman.config.values import Tree

ENV_PREFIX = "POINTSMAN_"
SEPARATOR = "__"


def apply_variables(tree: Tree, env: Mapping[str, str], providers: Iterable[str]) -> list[ConfigIssue]:
    """Writes every override into `tree`, and returns what is wrong with them. `providers` are all that are known."""
    faults = []
    for variable in sorted(
        name for name in env if name.startswith(ENV_PREFIX) and SEPARATOR in name[len(ENV_PREFIX) :]
    ):
        try:
            _write(tree, variable, env[variable], providers)
        except ValueError as error:
            faults.append(ConfigIssue(variable, str(error)))
    return faults


def _write(tree: Tree, variable: str, text: str, providers: Iterable[str]) -> None:
    *parents, last = variable.removeprefix(ENV_PREFIX).split(SEPARATOR)
    place: list[str] = []
    holder, shape = tree, schema.shape_at(())
    for name in parents:
        place.append(_match(name, holder, shape, place, providers))
        shape = schema.child_shape(shape, place[-1])
        if not schema.has_keys(shape):
            raise ValueError(f"names a key below {format_path(place)}, which has no keys")
        holder = _opened(holder, place)
    key = _match(last, holder, shape, place, providers)
    holder[key] = _read(text, variable, schema.child_shape(shape, key), [*place, key])


def _opened(holder: Tree, place: ConfigPath) -> Tree:
    """The mapping at `place`, which is made where the file has none."""
    inner = holder.get(str(place[-1]))
    if inner is None:
        inner = holder[str(place[-1])] = {}
    if not isinstance(inner, dict):
        raise ValueError(f"names a key below {format_path(place)}, which is not a mapping in the file")
    return inner


def _match(name: str, holder: Tree, shape: Any, place: ConfigPath, providers: Iterable[str]) -> str:
    """The key that `name` means here. Case does not count, and `_` stands for what a variable's name cannot hold."""
    where = format_path(place) or "the configuration"
    known = schema.key_names(shape) if schema.is_section(shape) else _table_keys(holder, shape, providers)
    fits = [key for key in known if _normalized(key) == _normalized(name)]
    if not fits:
        hint = suggestion(_normalized(name), map(_normalized, known)) or f"; known there: {', '.join(known) or 'none'}"
        raise ValueError(f"matches no key of {where}{hint}")
    if len(fits) > 1:
        raise ValueError(f"is ambiguous in {where}: {' or '.join(fits)}; set it in the file")
    return fits[0]


def _table_keys(holder: Tree, shape: Any, providers: Iterable[str]) -> list[str]:
    """What is written, what the keys can be if that is a closed set, and in `protection` every provider."""
    more = providers if schema.child_shape(shape, "") is ProtectionLevel else schema.closed_keys(shape)
    return list(dict.fromkeys([*holder, *more]))


def _normalized(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def _read(text: str, variable: str, shape: Any, place: ConfigPath) -> Any:
    if schema.has_keys(shape) and not schema.takes_one_word(shape):
        keys = f"; name one of {', '.join(schema.key_names(shape))}" if schema.is_section(shape) else ""
        raise ValueError(f"names {format_path(place)}, which is not a single value{keys}")
    if not schema.is_list(shape) and not (schema.may_be_list(shape) and "," in text):
        return FromEnvironment(text, variable, hidden=False)
    item = schema.child_shape(shape, 0)
    if schema.is_section(item) and item is not Key:
        raise ValueError(f"names {format_path(place)}, a list of mappings; set it in the file")
    return [FromEnvironment(part.strip(), variable, hidden=False) for part in text.split(",") if part.strip()]


class References:
    """Fills in `${NAME}`, and keeps the faults that it met."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.issues: list[ConfigIssue] = []

    def fill_in(self, value: Any, place: tuple[str | int, ...] = ()) -> Any:
        """`value` with every reference replaced; what an override wrote is taken as it stands."""
        if isinstance(value, dict):
            return {key: self.fill_in(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill_in(inner, (*place, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and not isinstance(value, FromEnvironment) and "${" in value:
            return self.text(value, place)
        return value

    def text(self, text: str, place: ConfigPath) -> str:
        """The text with its variables in it, or unchanged if that is not possible."""
        names = REFERENCE.findall(text)
        problems = list(self.problems(text, names, place))
        self.issues += [ConfigIssue(format_path(place), problem) for problem in problems]
        if problems:
            return text
        filled = REFERENCE.sub(lambda match: self.env[match[1]], text)
        return FromEnvironment(filled, " and ".join(dict.fromkeys(names)), hidden=True)

    def problems(self, text: str, names: list[str], place: ConfigPath) -> Iterator[str]:
        if len(names) < text.count("${"):
            yield 'contains a "${" that does not start a ${NAME}; names consist of letters, digits and _'
        for name in names:
            if name not in self.env:
                yield f"refers to the environment variable {name}, which is not set; set it, or remove the reference"
            elif is_secret_path(place) and not self.env[name]:
                yield f"refers to the environment variable {name}, which is empty; set it, or remove the reference"
