"""The rules of the house: the core imports no I/O, and reads neither clock nor chance."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pointsman.transport.mitm_patches import compat_check
from pointsman.transport.mitm_patches.switches import Switches

PACKAGE = Path(__file__).parents[2] / "addon" / "pointsman"
CORE = ("clients", "domain", "exchange", "sessions", "routing", "shared", "wire", "views/reading")
NOT_SANS_IO = {"shared/link.py", "shared/task.py"}
"""Of the folders of the core."""
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

MODULES = sorted(
    path
    for room in CORE
    for path in (PACKAGE / room).rglob("*.py")
    if str(path.relative_to(PACKAGE)) not in NOT_SANS_IO
)


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
    **{
        PACKAGE / "client_setup" / f"{name}.py": "the one that a client speaks"
        for name in ("agents", "editors", "libraries")
    },
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
def test_transport_does_not_import_policy(path):
    for name in imports(ast.parse(path.read_text())):
        assert not name.startswith(("pointsman.routing", "pointsman.sessions", "pointsman.config")), name


@pytest.mark.parametrize("path", sorted((PACKAGE / "web").rglob("*.py")), ids=lambda path: path.name)
def test_pages_know_their_context_alone(path):
    for name in imports(ast.parse(path.read_text())):
        assert not name.startswith(("pointsman.gateway", "pointsman.transport", "pointsman.addon")), name


PATCHES = PACKAGE / "transport" / "mitm_patches"
LIBRARIES = ("mitmproxy", "aiohttp", "h11")
INNER_NAMES = {
    name
    for name in (
        *(function.__name__ for function in compat_check.EXPECTED_SIGNATURES),
        *(name for names in compat_check.ANNOTATED_ATTRIBUTES.values() for name in names),
        *(name for names in compat_check.INSTANCE_ATTRIBUTES.values() for name in names),
    )
    if name.startswith("_") and not name.startswith("__")
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
PATCHED = {"kill", "trigger", "trigger_event", "ReplayHandler", "__class__"}
LAYERS = ("http1", "http_layer", "stream", "websocket_exchange", "websocket_layer")
OVERRIDDEN = {PACKAGE / "transport" / f"{name}.py": {"_handle_event"} for name in LAYERS}
"""What subclasses of mitmproxy's layers override; compat_check knows the parameters."""


def inner_parts(tree: ast.AST) -> Iterator[str]:
    """What a module uses of the libraries' inner parts."""
    if not any(name.partition(".")[0] in LIBRARIES for name in imports(tree)):
        return
    for name in imports(tree):
        if name.partition(".")[0] in LIBRARIES and any(part.startswith("_") for part in name.split(".")):
            yield name
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(bases=[_, *_], body=body):
                yield from INNER_NAMES & {method.name for method in body if isinstance(method, FUNCTIONS)}
            case ast.Attribute(value=ast.Call(func=ast.Name("super")), attr=attr):
                if attr in INNER_NAMES:
                    yield attr
            case ast.Attribute(value=value, attr="__new__"):
                yield f"{ast.unparse(value)}.__new__"
            case ast.Attribute(value=value, attr=attr, ctx=ctx):
                is_own = ast.unparse(value) in ("self", "cls")
                is_inner = attr.startswith("_") and not attr.startswith("__")
                if not is_own and (is_inner or (attr in PATCHED and isinstance(ctx, ast.Store))):
                    yield attr


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PATCHES)),
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_inner_parts_of_libraries_are_used_in_one_room(path):
    assert set(inner_parts(ast.parse(path.read_text()))) <= OVERRIDDEN.get(path, set())


@pytest.mark.parametrize(
    "line",
    [
        "from mitmproxy.proxy.layers.http._http1 import Http1Server",
        "from h11._readers import ChunkedReader",
        "import mitmproxy\nmitmproxy.flow.Flow.kill = None",
        "import aiohttp\nconnector._factory = None",
        "import aiohttp\nclass Own(aiohttp.TCPConnector):\n    async def _create_connection(self): ...",
        "import mitmproxy\nmitmproxy.http.Response.__new__(mitmproxy.http.Response)",
    ],
)
def test_uses_of_inner_parts_are_found(line):
    assert list(inner_parts(ast.parse(line)))


HELPERS = {"__init__", "compat_check", "switches"}
PATCH_MODULES = sorted(path for path in PATCHES.glob("*.py") if path.stem not in HELPERS)


@pytest.mark.parametrize("path", PATCH_MODULES, ids=lambda path: path.name)
def test_a_patch_says_what_it_uses_and_how_it_is_turned_off(path):
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert "Inner part" in said
    assert "Switch" in said or "No switch" in said


def test_each_switch_is_named_by_its_patch():
    said = " ".join(ast.get_docstring(ast.parse(path.read_text())) or "" for path in PATCH_MODULES)
    assert [each.name for each in fields(Switches) if f"`{each.name}`" not in said] == []


def distribution(name: str) -> str:
    """The name of a distribution or requirement, as indexes normalise it: `ruamel.yaml>=0.18` gives `ruamel-yaml`."""
    found = re.match(r"[\w.-]+", name)
    assert found, name
    return re.sub(r"[-_.]+", "-", found[0]).lower()


NEWER_STANDARD = {"annotationlib"}
"""Modules of the standard library since Python 3.14, imported where they exist."""


def test_every_import_of_others_is_a_declared_dependency_and_every_dependency_is_imported():
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    needed = {distribution(each) for each in project["dependencies"]}
    extras = project["optional-dependencies"]
    declared = needed | {distribution(each) for name in ("otel", "shared", "workers") for each in extras[name]}
    providers = packages_distributions()
    imported = set()
    for path in PACKAGE.parent.rglob("*.py"):
        for top in {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))}:
            if top not in sys.stdlib_module_names | NEWER_STANDARD and top != "pointsman":
                found = {distribution(each) for each in providers.get(top, [top])}
                assert found & declared, f"{path.name} imports {top}: declare it in pyproject.toml"
                imported |= found
    assert not needed - imported, "declared in pyproject.toml, but nowhere imported"
