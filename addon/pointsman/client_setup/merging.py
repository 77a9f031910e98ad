"""Adds a client's settings to the text of a file that may have others, which stay as they are.

JSON and YAML are merged, YAML with its comments. TOML and `.env` files get marked blocks. Whatever the way, the result
is read again and compared with what was meant: a text that cannot be changed safely raises MergeError.
"""

import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pointsman.client_setup.client import FileFormat

BEGIN, END = "# >>> pointsman >>>", "# <<< pointsman <<<"
REPLACED = "# before pointsman: "
"""Begins a line of the user's that gave way to a setting of ours."""

BLOCK = re.compile(rf"^{BEGIN}\n.*?^{END}\n(?:\n(?=\S))?", re.MULTILINE | re.DOTALL)
IDENTITY = ("id", "name", "model_id")
"""What tells the entries of a list apart. An entry that the user has already is changed, not added once more."""

COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
TRAILING_COMMA = re.compile(r",(\s*[}\]])")
ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", re.MULTILINE)


class MergeError(Exception):
    """The settings cannot be added to the text. The message says why, and completes "FILE …"."""


def merged(file_format: FileFormat, current: str | None, content: Any, initial: Any = None) -> str:
    """`current` (None: there is no file) with `content`, and with what it lacks of `initial`; the same text if it has
    it all. Raises MergeError.
    """
    if not (current or "").strip():
        return NEW_FILES[file_format](deep_merge(initial, content) if initial else content)
    assert current is not None
    parse = PARSERS[file_format]
    try:
        had = parse(current)
    except (ValueError, YAMLError) as error:
        raise MergeError(_why_unreadable(file_format, current, error)) from None
    if initial:
        content = deep_merge(_missing(initial, had), content)
    wanted = deep_merge(had, content)
    if wanted == had:
        return current
    if had is None:  # comments alone, or a null
        result = f"{current.rstrip()}\n{NEW_FILES[file_format](content)}"
    else:
        result = EDITS[file_format](current, content)
    try:
        is_right = parse(result) == wanted
    except (ValueError, YAMLError):
        is_right = False
    if not is_right:
        raise MergeError("has settings for the same thing in a form that cannot be changed safely")
    return result


def deep_merge(had: Any, new: Any, place: str = "") -> Any:
    """`had` with everything of `new`; lists of named entries are merged entry by entry. Changes neither.

    `place`: the names that lead to both. Raises MergeError where an object or a list would replace something else.
    """
    match had, new:
        case dict(), dict():
            return {**had, **{name: deep_merge(had.get(name), new[name], f"{place}.{name}") for name in new}}
        case list(), list() if _identity(new):
            result = list(had)
            for entry in new:
                at = _place_of(entry, result)
                if at is None:
                    result.append(entry)
                else:
                    result[at] = deep_merge(result[at], entry, place)
            return result
        case _, dict() | list() if had is not None and type(had) is not type(new):
            where = f" at {place[1:]}" if place else ""
            raise MergeError(f"holds {_form_of(had)}{where}, not {_form_of(new)}")
        case _:
            return new


def _form_of(value: Any) -> str:
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"


def _missing(initial: Mapping[str, Any], had: Any) -> dict[str, Any]:
    """What the object lacks."""
    if not isinstance(had, dict):
        return dict(initial)
    nested = {name: _missing(value, had[name]) for name, value in initial.items() if _is_nested(value, had.get(name))}
    return {name: value for name, value in initial.items() if name not in had} | nested


def _is_nested(new: Any, had: Any) -> bool:
    return isinstance(new, dict) and isinstance(had, dict)


def _identity(entries: list[Any]) -> str | None:
    return next((key for key in IDENTITY if entries and all(isinstance(e, dict) and key in e for e in entries)), None)


def _place_of(entry: Mapping[str, Any], entries: list[Any]) -> int | None:
    key = next(key for key in IDENTITY if key in entry)
    same = (i for i, other in enumerate(entries) if isinstance(other, dict) and other.get(key) == entry[key])
    return next(same, None)


# JSON.


def _new_json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _edit_json(current: str, content: Any) -> str:
    indent = re.search(r"^[ \t]+(?=\S)", current, re.MULTILINE)
    text = json.dumps(deep_merge(json.loads(current), content), indent=indent[0] if indent else 2, ensure_ascii=False)
    return text + "\n" * current.endswith("\n")


def _is_json_with_comments(text: str) -> bool:
    plain = COMMENT_OR_STRING.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    try:
        json.loads(TRAILING_COMMA.sub(r"\1", plain))
    except ValueError:
        return False
    return True


# YAML.


def _yaml(text: str = "") -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    if not text or (re.search(r"^ +- ", text, re.MULTILINE) and not re.search(r"^- ", text, re.MULTILINE)):
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _parse_yaml(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _new_yaml(content: Any) -> str:
    yaml = _yaml("" if isinstance(content, dict) else "- ")
    return _dumped(yaml, content)


def _edit_yaml(current: str, content: Any) -> str:
    yaml = _yaml(current)
    document = yaml.load(current)
    _merge_in_place(document, content)
    return _dumped(yaml, document)


def _merge_in_place(had: Any, new: Any) -> None:
    """As `deep_merge`, but keeps the objects that carry the comments."""
    if isinstance(new, dict):
        for name, value in new.items():
            if _is_mergeable(had.get(name), value):
                _merge_in_place(had[name], value)
            elif had.get(name) != value:
                had[name] = value
        return
    for entry in new:
        place = _place_of(entry, had)
        if place is None:
            had.append(entry)
        else:
            _merge_in_place(had[place], entry)


def _is_mergeable(had: Any, new: Any) -> bool:
    if isinstance(had, dict) and isinstance(new, dict):
        return True
    return isinstance(had, list) and isinstance(new, list) and _identity(new) is not None


def _dumped(yaml: YAML, content: Any) -> str:
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


# TOML: the keys of the root come before the first table, a table that is there gets its keys, others come at the end.


def _new_toml(content: Any) -> str:
    return _edit_toml("", content)


def _edit_toml(current: str, content: Any) -> str:
    text = f"{BLOCK.sub('', current).rstrip()}\n"
    first = re.search(r"^\s*\[", text, re.MULTILINE)
    head, rest = (text[: first.start()], text[first.start() :]) if first else (text, "")
    new_tables = ""
    root, *tables = _toml_tables(content)
    for name, values in tables:
        header = re.search(rf"^\[{re.escape(name)}\].*\n?", rest, re.MULTILINE)
        if header is None:
            new_tables += f"\n[{name}]\n{_toml_lines(values)}"
            continue
        next_table = re.compile(r"^\[", re.MULTILINE).search(rest, header.end())
        end = next_table.start() if next_table else len(rest)
        body = _block(_toml_lines(values)) + _give_way(rest[header.end() : end], values)
        rest = f"{rest[: header.start()]}{header[0]}{body}{rest[end:]}"
    head = _give_way(head, root[1])
    parts = [_block(_toml_lines(root[1])), (head + rest).strip(), _block(new_tables.lstrip()) if new_tables else ""]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _give_way(text: str, values: Mapping[str, Any]) -> str:
    """`text`, in which lines that set the same keys have become comments."""
    for name in values:
        text = re.sub(rf"^(?={re.escape(name)}\s*=)", REPLACED, text, flags=re.MULTILINE)
    return text


def _toml_tables(content: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The name and the values of the root, which always is the first, and of each table that has any."""
    values = {name: value for name, value in content.items() if not isinstance(value, dict)}
    if values or not path:
        yield ".".join(path), values
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _toml_tables(value, (*path, name))


def _toml_lines(values: Mapping[str, Any]) -> str:
    """Strings, numbers and booleans are written in TOML as in JSON."""
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def _block(text: str) -> str:
    return f"{BEGIN}\n{text}{END}\n"


# Environment files: the last value of a name holds.


def _parse_dotenv(text: str) -> dict[str, str]:
    return {found[1]: found[2].strip("\"'") for found in ASSIGNMENT.finditer(text)}


def _new_dotenv(content: Mapping[str, str]) -> str:
    return _block("".join(f"{name}={_dotenv_value(value)}\n" for name, value in content.items()))


def _dotenv_value(value: str) -> str:
    return value if re.fullmatch(r"[\w@%+=:,./-]*", value) else f'"{value}"'


def _edit_dotenv(current: str, content: Mapping[str, str]) -> str:
    text = BLOCK.sub("", current)
    return f"{text.rstrip()}\n\n{_new_dotenv(content)}".lstrip()


def _why_unreadable(file_format: FileFormat, text: str, error: Exception) -> str:
    if file_format is FileFormat.JSON and _is_json_with_comments(text):
        return "has comments or trailing commas, which would be lost"
    first, *_ = str(error).splitlines() or [""]
    return f"is not valid {file_format.value.upper()} ({first})"


NEW_FILES: Mapping[FileFormat, Callable[[Any], str]] = {
    FileFormat.JSON: _new_json,
    FileFormat.YAML: _new_yaml,
    FileFormat.TOML: _new_toml,
    FileFormat.DOTENV: _new_dotenv,
}
PARSERS: Mapping[FileFormat, Callable[[str], Any]] = {
    FileFormat.JSON: json.loads,
    FileFormat.YAML: _parse_yaml,
    FileFormat.TOML: tomllib.loads,
    FileFormat.DOTENV: _parse_dotenv,
}
EDITS: Mapping[FileFormat, Callable[[str, Any], str]] = {
    FileFormat.JSON: _edit_json,
    FileFormat.YAML: _edit_yaml,
    FileFormat.TOML: _edit_toml,
    FileFormat.DOTENV: _edit_dotenv,
}
