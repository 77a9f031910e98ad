"""Changes one place of the core at a time, and runs its tests: a change that no test notices is a gap, or makes no
difference. The seed decides which places. Works on a copy.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("exchange", "routing", "sessions")
"""Each has its tests in a folder of the same name; the others' tests follow."""
TIMEOUT = 900.0
"""Seconds for the tests of one mutant: a mutant may loop forever."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitOr: ast.BitAnd,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """The change number `nth` of those that are possible in a file."""

    file: Path
    nth: int

    def made(self) -> tuple[str, str]:
        """The changed source, and what was changed."""
        tree = ast.parse(self.file.read_text())
        line, what, apply = list(_changes(tree))[self.nth]
        apply()
        return ast.unparse(ast.fix_missing_locations(tree)), f"{self.file.relative_to(ROOT)}:{line}: {what}"


def _changes(tree: ast.Module) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Line, description, and what makes the change. Annotations and docstrings stay."""
    for node in _code(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
                yield (
                    line,
                    f"{_name(operator)} → {COMPARISONS[type(operator)].__name__}",
                    _setter(node, "ops", [COMPARISONS[type(operator)]()]),
                )
            case ast.BoolOp(op=operator):
                other = ast.Or() if isinstance(operator, ast.And) else ast.And()
                yield line, f"{_name(operator)} → {_name(other)}", _setter(node, "op", other)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield line, "not left out", _negated(node, operand)
            case ast.BinOp(op=operator) if type(operator) in ARITHMETIC:
                yield (
                    line,
                    f"{_name(operator)} → {ARITHMETIC[type(operator)].__name__}",
                    _setter(node, "op", ARITHMETIC[type(operator)]()),
                )
            case ast.Constant(value=bool(value)):
                yield line, f"{value} → {not value}", _setter(node, "value", not value)
            case ast.Constant(value=int(value) | float(value)):
                yield line, f"{value} → {value + 1}", _setter(node, "value", value + 1)
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield line, f"{name} → {CALLS[name]}", _setter(node.func, "id", CALLS[name])
            case ast.If() | ast.IfExp():
                yield line, "condition turned round", _setter(node, "test", ast.UnaryOp(ast.Not(), node.test))
            case ast.Expr(value=ast.Call()):
                yield line, "call left out", _setter(node, "value", ast.Constant(value=None))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes that are neither annotations nor decorators nor type aliases."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params") or isinstance(node, ast.TypeAlias):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _name(operator: ast.AST) -> str:
    return type(operator).__name__


def _setter(node: ast.AST, member: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(node, member, value)


def _negated(node: ast.UnaryOp, operand: ast.expr) -> Callable[[], None]:
    """A double negation is the same as none."""
    return lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), operand))


def drawn(count: int, seed: int) -> list[Mutant]:
    """So many of all mutants, the same for each seed."""
    package = ROOT / "addon" / "pointsman"
    files = sorted(file for folder in FOLDERS for file in (package / folder).rglob("*.py"))
    changes = {file: sum(1 for _ in _changes(ast.parse(file.read_text()))) for file in files}
    found = [Mutant(file, nth) for file in files for nth in range(changes[file])]
    print(f"{len(found)} places in {len(files)} files; {min(count, len(found))} of them", flush=True)
    return random.Random(seed).sample(found, min(count, len(found)))


def is_noticed(file: Path, source: str, copy: Path) -> bool:
    """Whether a test fails, or takes too long, if that is the source of the file."""
    place = copy / file.relative_to(ROOT)
    stock = place.read_text()
    place.write_text(source)
    folder = file.relative_to(ROOT / "addon" / "pointsman").parts[0]
    tests = [f"tests/{name}" for name in (folder, *(each for each in FOLDERS if each != folder))]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "core", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy / "addon"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return True
    finally:
        place.write_text(stock)
    return ran.returncode != 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m robustness.mutation", description=__doc__)
    parser.add_argument("--mutants", type=int, default=40, help="how many, drawn from all of them (default: 40)")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new one after this time (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="decides which ones (default: 1)")
    return parser.parse_args(arguments)


def main() -> int:
    given = parse(sys.argv[1:])
    until, tried, survivors = time.monotonic() + given.minutes * 60, 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="pointsman-mutants-") as folder:
        copy = Path(folder)
        for name in ("addon", "tests", "scripts", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        for mutant in drawn(given.mutants, given.seed):
            if time.monotonic() > until:
                break
            source, what = mutant.made()
            noticed = is_noticed(mutant.file, source, copy)
            tried += 1
            survivors += [] if noticed else [what]
            print(f"{'noticed' if noticed else 'SURVIVED'} {what}", flush=True)
    print(f"{tried - len(survivors)} of {tried} mutants were noticed, {len(survivors)} were not")
    return 0


if __name__ == "__main__":
    sys.exit(main())
