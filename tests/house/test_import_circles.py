"""No circles of imports, those for types alone included."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "addon" / "pointsman"

MODULES = {
    ".".join(("pointsman", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, in whatever block."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in MODULES or node.module in MODULES:
                    yield name if name in MODULES else node.module


@cache
def graph() -> Mapping[str, set[str]]:
    return {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def test_no_circle():
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(("lower", "upper"), [("routing", "exchange"), ("exchange", "routing"), ("web", "gateway")])
def test_these_do_not_import_each_other(lower, upper):
    def uses(one: str, other: str) -> bool:
        return any(
            name.startswith(f"pointsman.{one}") and any(each.startswith(f"pointsman.{other}") for each in used)
            for name, used in graph().items()
        )

    assert not (uses(lower, upper) and uses(upper, lower))
