"""The documentation: its links lead somewhere, the files and functions it names exist, its index is complete."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pointsman.cli import COMMANDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOC_PAGES = sorted(DOCS.rglob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *DOC_PAGES])
BASES = (ROOT, ROOT / "addon", ROOT / "addon" / "pointsman")
"""Where a path named in a page may begin."""

CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED_PATH = re.compile(r"(?P<path>[A-Za-z.][\w.-]*(?:/[\w.-]+)*/?)(?::(?P<name>[A-Za-z_][\w.]*))?")
SOURCES = sorted(
    path for kind in ("py", "js") for path in (ROOT / "addon").rglob(f"*.{kind}") if "vendor" not in path.parts
)
VAGUE_WORDS = re.compile(
    r"\b(whoever|anew|(?<!about )as good as|(?:no|some|any|every)body(?:'?s)?|no one)\b", re.IGNORECASE
)
DEFINITION = re.compile(r"^\s*(?:async )?(?:def|class) (\w+)", re.MULTILINE)
WORD_BOUNDARY = re.compile(r"_|(?<=[a-z])(?=[A-Z])")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def prose(page: Path) -> str:
    return CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that hosts of Markdown make of a page's headings."""
    headings = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(CODE_SPAN.sub("", prose(page))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def is_path_of_ours(path: str) -> bool:
    """Code spans hold much else: options, headers, models such as `groq/llama`."""
    if path.startswith(("addon/", "tests/", "scripts/", "docs/")):
        return True
    return "/" in path and path.endswith((".py", "/")) and not path.startswith(".")


@cache
def names_in(file: Path) -> set[str]:
    """Functions, classes, assigned names and `Class.member` of a module."""

    def names(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
        for node in body:
            match node:
                case ast.ClassDef(name=name):
                    yield prefix + name
                    yield from names(node.body, f"{prefix}{name}.")
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    yield prefix + name
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name))
                    | ast.TypeAlias(name=ast.Name(id=name))
                ):
                    yield prefix + name

    return set(names(ast.parse(file.read_text(encoding="utf-8")).body))


def missing_paths(page: Path) -> Iterator[str]:
    """What the page names in code spans, as `path`, `folder/` or `path.py:Class.method`, and what is not there."""
    for span in CODE_SPAN.findall(prose(page)):
        named = NAMED_PATH.fullmatch(span.split()[0])
        if named is None or not is_path_of_ours(named["path"]):
            continue
        found = [base / named["path"] for base in BASES if (base / named["path"]).exists()]
        if not found or (named["name"] and not any(named["name"] in names_in(file) for file in found)):
            yield span


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_files_and_functions_that_are_named_exist(page: Path) -> None:
    assert list(missing_paths(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_words_are_plain(page: Path) -> None:
    assert VAGUE_WORDS.findall(prose(page)) == []


def test_so_are_those_of_the_code() -> None:
    found = {page_id(path): VAGUE_WORDS.findall(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: words for path, words in found.items() if words} == {}


def test_so_are_the_names_of_tests_and_scripts() -> None:
    paths = [path for folder in ("tests", "scripts") for path in (ROOT / folder).rglob("*.py")]
    names = {name for path in paths for name in DEFINITION.findall(path.read_text(encoding="utf-8"))}
    assert [name for name in sorted(names) if VAGUE_WORDS.search(WORD_BOUNDARY.sub(" ", name))] == []


@pytest.mark.parametrize("page", DOC_PAGES, ids=page_id)
def test_the_index_lists_the_page_under_its_title(page: Path) -> None:
    if page.name == "index.md":
        return
    title = HEADING.search(prose(page))
    assert title
    assert f"[{title[1]}]({page.relative_to(DOCS)})" in (DOCS / "index.md").read_text(encoding="utf-8")


def test_what_is_wrong_in_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One title\n[here](#one-title) [gone](gone.md) [no anchor](#two) [elsewhere](https://example.com/x)\n"
        "`tests/house/test_docs.py:page_id` `tests/test_gone.py`\n"
        "`wire/sse.py:Decoder.feed` `wire/sse.py:Gone` `wire/gone/`\n"
        "`groq/llama-3.3-70b` `scripts/chaos --seed 1..20`\n"
    )
    assert list(broken_links(page)) == ["gone.md", "#two"]
    assert list(missing_paths(page)) == ["tests/test_gone.py", "wire/sse.py:Gone", "wire/gone/"]


def test_every_command_stands_in_the_table_of_commands() -> None:
    table = (DOCS / "admin.md").read_text(encoding="utf-8").partition("\n## Commands\n")[2].partition("\n### ")[0]
    rows = " ".join(line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `"))
    shown = set(re.findall(r"[a-z]+", rows))
    assert shown >= set(COMMANDS)
    assert "--workers" in rows


def test_extras_are_listed_with_their_packages() -> None:
    """Those of users: the others are for tests and for building."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {
        extra: {re.split(r"[<>=;]", package)[0].strip() for package in packages}
        for extra, packages in project["optional-dependencies"].items()
        if extra in ("shared", "workers", "otel")
    }
    section = (DOCS / "install.md").read_text(encoding="utf-8").partition("\n## Extras\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", section, re.MULTILINE)
    assert {extra: set(CODE_SPAN.findall(packages)) for extra, packages in rows} == names
    assert not {page_id(page) for page in PAGES if "pip install 'pointsman[" in page.read_text(encoding="utf-8")}
