"""Enums and the tables keyed by them: every table has an entry for each member, and every `match` a case."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
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
    ("routing/answer_signals.py", "Signal"): "each answer shows some of them",
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

type Use = tuple[str, int, str, frozenset[str]]
"""A table or a `match`: file, line, enum, members."""


@cache
def trees() -> Mapping[Path, ast.Module]:
    """Of all modules; read by the first test that needs them, so that no other has to wait."""
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def enums() -> Iterator[tuple[str, frozenset[str]]]:
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and ENUM_BASES & {ast.unparse(base) for base in node.bases}:
                named = (each.targets[0] for each in node.body if isinstance(each, ast.Assign))
                yield node.name, frozenset(name.id for name in named if isinstance(name, ast.Name))


@cache
def members() -> Mapping[str, frozenset[str]]:
    return dict(enums())


def member(node: ast.expr | None) -> tuple[str, str] | None:
    """The enum and the member that an expression such as `Mode.FAST` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name = ALIASES.get(node.value.id, node.value.id)
        if node.attr in members().get(name, ()):
            return name, node.attr
    return None


def tables() -> Iterator[Use]:
    """Every dict display keyed by members of one enum alone."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and node.keys and all(found := [member(key) for key in node.keys]):
                keys = [each for each in found if each]
                if len({name for name, _ in keys}) == 1:
                    yield str(path.relative_to(PACKAGE)), node.lineno, keys[0][0], frozenset(key for _, key in keys)


def matches() -> Iterator[Use]:
    """Every `match` whose cases are members of one enum, without a wildcard."""
    for path, tree in trees().items():
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


def incomplete(found: Iterable[Use], partial: Container[tuple[str, str]]) -> Iterator[str]:
    """A line for each that lacks members and is none of the `partial` ones."""
    for path, line, name, keys in found:
        if (missing := members()[name] - keys) and (path, name) not in partial:
            yield f"{path}:{line} has no entry for {name}: {', '.join(sorted(missing))}"


def test_tables_and_matches_are_found() -> None:
    assert {name for _, _, name, _ in tables()} >= {"Mode", "Failure", "KeySource", "Outcome", "Code", "FaultKind"}
    assert len([*tables()]) > 15
    assert len([*matches()]) >= 3


def test_every_table_has_every_member() -> None:
    assert [*incomplete(tables(), PARTIAL_TABLES)] == []


def test_every_match_has_every_member() -> None:
    assert [*incomplete(matches(), PARTIAL_MATCHES)] == []


def test_every_exception_is_still_one() -> None:
    partial = {(path, name) for path, _, name, keys in tables() if keys != members()[name]}
    assert partial == PARTIAL_TABLES.keys()
    assert {(path, name) for path, _, name, keys in matches() if keys != members()[name]} == PARTIAL_MATCHES.keys()


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
        fast = "    fast: FastWeights = FastWeights.defaults()\n"
        weights.write_text(
            weights.read_text().replace(fast, fast + "    cheap: FastWeights = FastWeights.defaults()\n", 1)
        )
    ran = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1] == f"TypeError: {table} has no entry for Mode.CHEAP; add one"
