"""Enums and the tables keyed by them: every table has an entry for each member, and every `match` a case."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.config.enums import Mode
from pointsman.enum_tables import require_total

PACKAGE = Path(__file__).parents[2] / "addon" / "pointsman"
ENUM_BASES = {"Enum", "StrEnum", "IntEnum"}
ALIASES = {"DialectName": "Dialect"}

PARTIAL_TABLES = {
    ("domain/failures.py", "FaultKind"): "a status and a wrapped error are classified by status and wording",
    ("domain/records.py", "Outcome"): "one short word; every other outcome is called by its value",
    ("history/analytics.py", "Verdict"): "the other verdicts count as attempts alone",
    ("live_check.py", "Failure"): "of the others, what the provider says is all that is known",
    ("routing/final_error.py", "Failure"): "every other failure is an upstream error",
    ("wire/dialects/anthropic/answer_writer.py", "Kind"): "a call starts with its name and id, so it has a function",
    ("wire/dialects/openai_chat/answer_writer.py", "Kind"): "a call has a function of its own",
    ("wire/dialects/openai_responses/answer_writer.py", "Kind"): "only text and refusals have a part of their own",
    ("wire/dialects/anthropic/request.py", "Capability"): "the dialect has no audio; reasoning is a preference",
    ("wire/dialects/gemini/request.py", "Capability"): "reasoning is a preference",
    ("wire/dialects/openai_chat/request.py", "Capability"): "reasoning is a preference",
    ("wire/dialects/openai_responses/request.py", "Capability"): "reasoning is a preference",
}
"""Tables that are partial on purpose, each with its reason."""
PARTIAL_MATCHES = {("views/llm_chat.py", "NoteKind"): "a refusal has no view of its own"}

MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}


def enums() -> Iterator[tuple[str, frozenset[str]]]:
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and ENUM_BASES & {ast.unparse(base) for base in node.bases}:
                named = (each.targets[0] for each in node.body if isinstance(each, ast.Assign))
                yield node.name, frozenset(name.id for name in named if isinstance(name, ast.Name))


MEMBERS = dict(enums())


def member(node: ast.expr | None) -> tuple[str, str] | None:
    """The enum and the member that an expression such as `Mode.FAST` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name = ALIASES.get(node.value.id, node.value.id)
        if node.attr in MEMBERS.get(name, ()):
            return name, node.attr
    return None


def tables() -> Iterator[tuple[str, int, str, frozenset[str]]]:
    """Every dict display keyed by members of one enum alone: file, line, enum, keys."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and node.keys and all(found := [member(key) for key in node.keys]):
                keys = [each for each in found if each]
                if len({name for name, _ in keys}) == 1:
                    yield str(path.relative_to(PACKAGE)), node.lineno, keys[0][0], frozenset(key for _, key in keys)


def matches() -> Iterator[tuple[str, int, str, frozenset[str]]]:
    """Every `match` whose cases are members of one enum, without a wildcard: file, line, enum, members."""
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Match) or any(_is_wildcard(case.pattern) for case in node.cases):
                continue
            patterns = [each for case in node.cases if case.guard is None for each in _alternatives(case.pattern)]
            found = [member(each.value) for each in patterns if isinstance(each, ast.MatchValue)]
            keys = [each for each in found if each]
            if keys and len(keys) == len(patterns):
                yield str(path.relative_to(PACKAGE)), node.lineno, keys[0][0], frozenset(key for _, key in keys)


def _is_wildcard(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _alternatives(pattern: ast.pattern) -> list[ast.pattern]:
    return pattern.patterns if isinstance(pattern, ast.MatchOr) else [pattern]


TABLES, MATCHES = list(tables()), list(matches())


def place(entry: object) -> str | None:
    return entry.replace("/", ".") if isinstance(entry, str) else None


def test_tables_and_matches_are_found() -> None:
    assert {name for _, _, name, _ in TABLES} >= {"Mode", "Failure", "KeySource", "Outcome", "Code", "FaultKind"}
    assert len(TABLES) > 15
    assert len(MATCHES) >= 3


@pytest.mark.parametrize(("path", "line", "name", "keys"), TABLES, ids=place)
def test_a_table_has_every_member(path: str, line: int, name: str, keys: frozenset[str]) -> None:
    missing = MEMBERS[name] - keys
    assert not missing or (path, name) in PARTIAL_TABLES, f"{path}:{line} has no entry for {name}: {sorted(missing)}"


@pytest.mark.parametrize(("path", "line", "name", "keys"), MATCHES, ids=place)
def test_a_match_has_every_member(path: str, line: int, name: str, keys: frozenset[str]) -> None:
    missing = MEMBERS[name] - keys
    assert not missing or (path, name) in PARTIAL_MATCHES, f"{path}:{line} has no case for {name}: {sorted(missing)}"


def test_every_exception_is_still_one() -> None:
    partial = {(path, name) for path, _, name, keys in TABLES if keys != MEMBERS[name]}
    assert partial == PARTIAL_TABLES.keys()
    assert {(path, name) for path, _, name, keys in MATCHES if keys != MEMBERS[name]} == PARTIAL_MATCHES.keys()


def test_a_missing_entry_is_named() -> None:
    require_total({Mode.FAST: 1, Mode.SMART: 2, Mode.BALANCED: 3}, Mode, "weights")
    with pytest.raises(TypeError, match=r"weights has no entry for Mode\.BALANCED, Mode\.SMART; add one"):
        require_total({Mode.FAST: 1}, Mode, "weights")


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("pointsman.config", "config.settings.WeightsByMode"),
        ("pointsman.routing.pools", "routing.pools.POOL_GROUPS"),
    ],
)
def test_a_mode_without_entries_is_found_at_import(tmp_path: Path, module: str, table: str) -> None:
    """A copy of the package has one mode more; what stands before the table in question has an entry for it."""
    shutil.copytree(PACKAGE, tmp_path / "pointsman", ignore=shutil.ignore_patterns("__pycache__", "static"))
    words = tmp_path / "pointsman" / "config" / "enums.py"
    words.write_text(words.read_text().replace('    FAST = "fast"\n', '    FAST = "fast"\n    CHEAP = "cheap"\n', 1))
    if "pools" in module:
        weights = tmp_path / "pointsman" / "config" / "settings.py"
        fast = "    fast: FastWeights = FastWeights()\n"
        weights.write_text(weights.read_text().replace(fast, fast + "    cheap: FastWeights = FastWeights()\n", 1))
    ran = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1] == f"TypeError: {table} has no entry for Mode.CHEAP; add one"
