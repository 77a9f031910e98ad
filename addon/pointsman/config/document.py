"""A configuration file as plain data: YAML in, mappings, lists and scalars out.

`${NAME}` is accepted unquoted everywhere, also inside `[…]` and `{…}`, where YAML itself would take its brace for a
mapping. Files come from people and from scripts, so size, nesting and the expansion of aliases are bounded.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from pointsman.config.errors import ConfigError, ConfigIssue
from pointsman.config.faulty_providers import ProviderFault
from pointsman.config.messages import ConfigPath, format_path, is_secret_path
from pointsman.config.values import Tree

MAX_FILE_BYTES = 2**20
"""Bytes in a file."""
MAX_VALUES = 100_000
"""Values in a file, each counted as often as aliases repeat it."""
MAX_DEPTH = 40
"""Levels of nesting."""

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
MASKED_REFERENCE = re.compile("\ue000\ue001([A-Za-z_][A-Za-z0-9_]*)\ue002")
"""`${NAME}` while the YAML is parsed: as long as the original, so that columns stay true, but without braces."""

TAG = "tag:yaml.org,2002:"


class Document(NamedTuple):
    """What a file holds, as far as it could be read, and what is wrong with the way it is written or kept.

    `faults` are those of providers whose previous entries stand in the tree instead.
    """

    tree: Tree
    issues: tuple[ConfigIssue, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[ProviderFault, ...] = ()


def read(path: Path) -> Document:
    """Raises ConfigError, naming the file, when there is nothing to go on with."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unusable(path, UNREADABLE.get(type(error), f"cannot be read ({error.strerror})")) from None
    if len(data) > MAX_FILE_BYTES:
        raise _unusable(path, "is larger than 1 MiB, the limit for a configuration")
    try:
        return parse(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unusable(f"{path}:{line}", "is not UTF-8 text; save the file as UTF-8") from None


UNREADABLE: dict[type[OSError], str] = {
    FileNotFoundError: "does not exist; create it, or name another file",
    IsADirectoryError: "is a directory; name the YAML file in it",
    PermissionError: "may not be read by this user; change its permissions",
}


def parse(text: str, name: str) -> Document:
    """`text` as plain data; `name` is what messages call the file. Raises ConfigError."""
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # the warning would print lines of the file
    try:
        root = yaml.compose(masked(text))
    except RecursionError:
        raise _unusable(name, f"is nested more than {MAX_DEPTH} levels deep") from None
    except MarkedYAMLError as error:
        raise _malformed(error, name) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _unusable(f"{name}:{line}", "contains a control character, which YAML forbids; remove it") from None
    if root is None:
        return Document({})
    if not isinstance(root, MappingNode):
        kind = "a list" if isinstance(root, SequenceNode) else "a single value"
        raise _unusable(name, f"must hold a mapping of sections (server, routing, providers, …), got {kind}")
    reader = _Reader(name)
    return Document(reader.mapping(root, ()), tuple(reader.issues))


def _unusable(name: object, problem: str) -> ConfigError:
    return ConfigError([ConfigIssue(str(name), problem)])


MALFORMED = {
    "character '\\t'": "is indented with a tab; YAML requires spaces",
    "another document": 'begins a second document; keep one, without "---"',
    "undefined alias": 'uses an undefined alias; quote a value that begins with "*"',
    "<document start>": "is indented differently from the lines above it",
    "<block end>": "is indented differently from the lines above it",
    "mapping values": "has a misplaced colon; quote a value that contains one, or end the line above with a colon",
    "':'": "lacks a colon and a space after a name, a space after the - of a list, or a closing bracket before it",
    "unexpected end of stream": "has a quotation mark that is not closed",
    "',' or": "has a bracket that is not closed, or lacks a comma in it",
    "cannot start any token": "has a value that begins with a special character; quote it",
}
UNCLOSED = frozenset({"unexpected end of stream", "',' or", "':'"})
"""These are where the context begins; the problem's own mark is where the parser gave up, on a later line."""
FOREIGN_SPACES = ("\u00a0", "\u2002", "\u2003", "\u2009", "\u200b", "\u202f", "\u3000")
"""What editors and web pages put where a space was. To YAML it is the beginning of a name."""


def _malformed(error: MarkedYAMLError, name: str) -> ConfigError:
    """The parser's own message may repeat a word of the file, a credential perhaps: only single characters pass."""
    problem = error.problem[0] if isinstance(error.problem, tuple) else str(error.problem)
    cause = next((theirs for theirs in MALFORMED if theirs in problem), "")
    known = MALFORMED.get(cause)
    mark = (error.context_mark if cause in UNCLOSED else None) or error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    spoken = re.sub(r"'([^']*)'", lambda word: word[0] if len(word[1]) <= 2 or word[1][0] == "<" else "a word", problem)
    return _unusable(where, known or f"is not valid YAML: {spoken}")


class _Reader:
    """Turns the nodes of one file into data, and notes what is wrong with them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.issues: list[ConfigIssue] = []
        self.values = 0

    def value(self, node: Node, place: ConfigPath) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            raise _unusable(self.name, f"contains more than {MAX_VALUES} values once its aliases are expanded")
        if len(place) > MAX_DEPTH:
            raise _unusable(self.name, f"is nested more than {MAX_DEPTH} levels deep")
        if isinstance(node, MappingNode):
            return self.mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*place, index)) for index, child in enumerate(node.value)]
        return self.scalar(node.tag or "", node, place)

    def mapping(self, node: MappingNode, place: ConfigPath) -> Tree:
        """What `<<` brings in comes first, so that what is written replaces it."""
        merges = [child for key, child in node.value if key.tag == TAG + "merge"]
        written = [(key, child) for key, child in node.value if key.tag != TAG + "merge"]
        tree = {name: value for child in merges for name, value in self.merged(child, place)}
        lines: dict[str, int] = {}
        for key, child in written:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                self.add_issue(place, f"has a list or a mapping as a key (line {line})")
            elif key.value.startswith(FOREIGN_SPACES):
                problem = "is indented with a character that only looks like a space; indent it with spaces"
                raise _unusable(f"{self.name}:{line}", problem)
            elif (name := self.whole(unmasked(key.value), key, place)) in lines:
                self.issues.append(_repeated(name, place, lines[name], line))
            else:
                lines[name] = line
                tree[name] = self.value(child, (*place, name))
        return tree

    def merged(self, node: Node, place: ConfigPath) -> Iterator[tuple[str, Any]]:
        """The entries of `<<: *one` or `<<: [*one, *another]`; of several sources the first wins, hence stands last."""
        for source in reversed(node.value if isinstance(node, SequenceNode) else [node]):
            if isinstance(value := self.value(source, (*place, "<<")), dict):
                yield from value.items()
            else:
                self.add_issue(place, 'must have a mapping after "<<"')

    def scalar(self, tag: str, node: Node, place: ConfigPath) -> Any:
        read = SCALARS.get(tag)
        if read is not None:
            value = read(node.value)
            return self.whole(value, node, place) if isinstance(value, str) else value
        line = node.start_mark.line + 1
        hint = 'quote a value that begins with "!"'
        self.add_issue(place, f"has a YAML tag, which is not supported (line {line}); {hint}")
        return None

    def whole(self, text: str, node: Node, place: ConfigPath) -> str:
        """JSON writes a character beyond U+FFFF, an emoji for example, as two escapes. YAML leaves them two, which no
        other text may hold.
        """
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            line = node.start_mark.line + 1
            problem = f"has one half of an escaped character (line {line}); write the character itself"
            self.add_issue(place, problem)
            return text.encode("utf-8", "replace").decode()

    def add_issue(self, place: ConfigPath, problem: str) -> None:
        self.issues.append(ConfigIssue(format_path(place) or self.name, problem))


def _repeated(name: str, place: ConfigPath, first: int, second: int) -> ConfigIssue:
    lines = f"lines {first} and {second}" if first != second else f"line {first}"
    if is_secret_path(place):
        return ConfigIssue(format_path(place), f"contains a key twice ({lines}); remove one")
    return ConfigIssue(format_path((*place, name)), f"is defined twice ({lines}); remove one")


def masked(text: str) -> str:
    """The text with its references written so that YAML takes them for letters."""
    return REFERENCE.sub("\ue000\ue001\\1\ue002", text)


def unmasked(text: str) -> str:
    return MASKED_REFERENCE.sub(r"${\1}", text)


def _number(text: str) -> int | float | str:
    """Numbers that are out of all proportion stay text, and fail as such where a number is wanted."""
    digits = text.replace("_", "").lower()
    try:
        if "0x" in digits or "0o" in digits or "0b" in digits:
            return int(digits, 0)
        return int(digits)
    except ValueError:
        pass
    try:
        return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text


SCALARS: dict[str, Callable[[str], Any]] = {
    TAG + "str": unmasked,
    TAG + "timestamp": unmasked,
    TAG + "int": _number,
    TAG + "float": _number,
    TAG + "bool": lambda text: text.lower() in ("true", "yes", "on"),
    TAG + "null": lambda text: None,
}
