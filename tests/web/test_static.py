"""The dashboard's files as they are: nothing foreign, nothing inline, nothing missing, no markup made of data."""

import re
from pathlib import Path

import pytest

import pointsman.web
from pointsman.config.enums import Dialect
from pointsman.history.request_rows import OUTCOMES
from pointsman.web.static_files import StaticFiles
from pointsman.wire.errors import Code
from web.page_requests import request

FOLDER = Path(pointsman.web.__file__).with_name("static")
VENDOR = FOLDER / "vendor"
OWN = sorted(path for path in FOLDER.iterdir() if path.is_file())
MODULES = [path for path in OWN if path.suffix == ".js"]
STYLES = [path for path in OWN if path.suffix == ".css"]
INDEX = (FOLDER / "index.html").read_text()
IMPORT = re.compile(r"""(?:from|import)\s+"([^"]+)";""")
MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser")


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_every_file_is_served_as_what_it_is_and_may_load_nothing_foreign(path: Path) -> None:
    reply = StaticFiles().file(request(f"/static/{path.name}"), path.name)
    headers = dict(reply.headers)
    kind = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}[path.suffix]
    assert headers["Content-Type"].startswith(kind)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    if path.name != "index.html":
        assert reply.body == path.read_bytes()


def test_the_page_names_only_files_that_are_there() -> None:
    named = re.findall(r'(?:src|href)="(/[^"]*)"', INDEX)
    assert "/static/main.js" in named
    assert all((FOLDER / name.removeprefix("/static/")).is_file() for name in named)


def test_the_frame_is_painted_before_any_script_has_run() -> None:
    frame = INDEX.partition('<div id="house"')[2]
    assert "hidden" not in frame.partition(">")[0]
    assert ">Pointsman</a>" in frame


def test_the_page_has_no_inline_script_style_or_listener() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", INDEX)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_files_that_are_there(path: Path) -> None:
    for name in IMPORT.findall(path.read_text()):
        assert name.startswith("./")
        assert (FOLDER / name).resolve().is_file(), name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_makes_no_markup_of_data(path: Path) -> None:
    text = path.read_text()
    assert not [word for word in MARKUP if word in text]


@pytest.mark.parametrize("path", [*MODULES, *STYLES], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    foreign = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", re.sub(r"(?m)^\s*//.*$", "", path.read_text()))
    assert [url for url in foreign if "www.w3.org" not in url] == []


@pytest.mark.parametrize("path", [*MODULES, *STYLES], ids=lambda path: path.name)
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 800


def test_every_error_of_the_router_has_its_words_and_what_to_do() -> None:
    table = (FOLDER / "reasons.js").read_text().partition("const REASONS = {")[2].partition("\n};")[0]
    told = dict(re.findall(r'^  (\w+): \[\s*"([^"]+)",\s*"[^"]+",?\s*\],$', table, re.MULTILINE))
    assert set(told) == {*(code.value for code in Code), "client_abort"}


def test_the_filters_of_requests_offer_all_outcomes_and_dialects() -> None:
    text = (FOLDER / "request_filters.js").read_text()
    for name, values in (("OUTCOMES", OUTCOMES), ("DIALECTS", tuple(each.value for each in Dialect))):
        offered = re.findall(r'"([^"]+)"', text.partition(f"const {name} = [")[2].partition("]")[0])
        assert sorted(offered) == sorted(values)
    words = (FOLDER / "words.js").read_text()
    assert [each for each in OUTCOMES if f"{each}: tone(" not in words] == []


def test_what_is_not_ours_comes_with_its_licence() -> None:
    kinds = {path.name.partition(".")[0] for path in VENDOR.iterdir()}
    assert all((VENDOR / f"{kind}.LICENSE").is_file() for kind in kinds)
