"""The rules of the house: the core imports no I/O, and reads neither clock nor chance."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "addon" / "pointsman"
CORE = ("domain", "exchange", "sessions", "routing", "wire", "views/reading")
FORBIDDEN = {
    "aiohttp", "asyncio", "concurrent", "http", "logging", "mitmproxy", "os", "pathlib", "select", "shutil", "socket",
    "sqlite3", "ssl", "subprocess", "threading", "tornado",
}  # fmt: skip
FORBIDDEN_ROOMS = {"transport", "history", "web", "demo", "recording", "addon", "gateway"}
CLOCKS = {
    "time.time", "time.monotonic", "time.perf_counter", "datetime.now", "datetime.utcnow", "date.today", "uuid4",
    "uuid.uuid4", "secrets.token_hex", "secrets.token_urlsafe", "os.urandom", "random.random", "random.choice",
    "random.shuffle", "random.uniform", "random.betavariate", "random.gauss", "random.randint",
}  # fmt: skip

MODULES = sorted(path for room in CORE for path in (PACKAGE / room).rglob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_there_is_a_core_to_look_at():
    assert {path.relative_to(PACKAGE).parts[0] for path in MODULES} >= {"exchange", "routing", "wire"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_core_is_sans_io(path):
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        parts = name.split(".")
        assert parts[0] not in FORBIDDEN, f"{path.name} imports {name}"
        assert not (parts[0] == "pointsman" and len(parts) > 1 and parts[1] in FORBIDDEN_ROOMS), name
    assert not calls(tree) & CLOCKS


DIALECTS = PACKAGE / "wire" / "dialects"
NAMED_ELSEWHERE = {
    DIALECTS / "registry.py": "the default, for clients that show no dialect",
    PACKAGE / "config" / "providers.py": "the default of a provider",
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_dialect_is_named_in_its_own_folder_alone(path):
    tree = ast.parse(path.read_text())
    named = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("Dialect", "DialectName")
    }
    is_own = path.is_relative_to(DIALECTS) and path.parent != DIALECTS
    assert not named or is_own or path in NAMED_ELSEWHERE, named


@pytest.mark.parametrize("path", sorted((PACKAGE / "transport").rglob("*.py")), ids=lambda path: path.name)
def test_transport_asks_nobody_who_decides(path):
    for name in imports(ast.parse(path.read_text())):
        assert not name.startswith(("pointsman.routing", "pointsman.sessions", "pointsman.config")), name


def distribution(name: str) -> str:
    """The name of a distribution or requirement, as indexes normalise it: `ruamel.yaml>=0.18` gives `ruamel-yaml`."""
    found = re.match(r"[\w.-]+", name)
    assert found, name
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_every_import_of_others_is_a_declared_dependency_and_every_dependency_is_imported():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    declared = {distribution(each) for each in project["dependencies"]}
    providers = packages_distributions()
    imported = set()
    for path in PACKAGE.parent.rglob("*.py"):
        for top in {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))}:
            if top not in sys.stdlib_module_names and top != "pointsman":
                found = {distribution(each) for each in providers.get(top, [top])}
                assert found & declared, f"{path.name} imports {top}: declare it in pyproject.toml"
                imported |= found
    assert not declared - imported, "declared in pyproject.toml, but nowhere imported"
