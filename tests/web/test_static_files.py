"""The dashboard's files: what is served, how browsers are told to treat it, and what is never reached."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from pointsman.web.static_files import FOLDER, StaticFiles
from pointsman.wire.errors import Problem
from web.page_requests import payload_of, request

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def files(tmp_path: Path) -> StaticFiles:
    folder = tmp_path / "static"
    (folder / "deep").mkdir(parents=True)
    for name, text in {"index.html": "<p>here", "app.js": "1", "deep/style.css": "p {}", "notes.py": "secret"}.items():
        (folder / name).write_text(text)
    (tmp_path / "outside.html").write_text("outside")
    return StaticFiles(folder)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("index.html", "text/html"), ("app.js", "text/javascript"), ("deep/style.css", "text/css")],
)
def test_a_file_is_served_as_what_it_is(files: StaticFiles, name: str, kind: str) -> None:
    reply = files.file(request(), name)
    headers = dict(reply.headers)
    assert (reply.status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["", "notes.py", "../outside.html", "%2e%2e/outside.html", "/etc/passwd", "deep"])
def test_nothing_else_is_reached(files: StaticFiles, name: str) -> None:
    with pytest.raises(Problem, match="no such file"):
        files.file(request(), name)


def test_what_a_browser_has_already_is_not_sent_again(files: StaticFiles) -> None:
    tag = dict(files.file(request(), "app.js").headers)["ETag"]
    again = files.file(request(if_none_match=f'"other", W/{tag}'), "app.js")
    assert (again.status, again.body) == (304, b"")
    assert files.file(request(if_none_match='"other"'), "app.js").status == 200


def test_a_browser_gets_the_dashboard_and_a_client_gets_to_know_us(files: StaticFiles) -> None:
    assert files.index(request(**BROWSER), "").body == b"<p>here"
    told_client = files.index(request(accept="application/json"), "")
    assert payload_of(told_client)["name"] == "pointsman"
    assert dict(files.index(request(), "").headers)["Vary"] == "Accept"


def test_the_package_has_its_own_page() -> None:
    assert b"<title>Pointsman" in StaticFiles().index(request(**BROWSER), "").body


def test_the_page_names_all_modules_so_that_a_browser_fetches_them_at_once() -> None:
    page = StaticFiles().index(request(**BROWSER), "").body.decode()
    modules = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js")}
    assert set(re.findall(r'rel="modulepreload" href="/static/v-[0-9a-f]{16}/([^"]+)"', page)) == modules


def test_what_the_page_names_is_kept_until_its_content_changes(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="/static/app.js"></script>')
    (tmp_path / "app.js").write_text("1")
    before = StaticFiles(tmp_path)
    (tmp_path / "app.js").write_text("2")
    after = StaticFiles(tmp_path)
    names = [
        re.findall(r'"/static/(.*?)"', files.file(request(), "index.html").body.decode()) for files in (before, after)
    ]
    [[old], [new]] = names
    assert old != new
    kept, changed, plain = after.file(request(), new), after.file(request(), old), after.file(request(), "app.js")
    assert (kept.body, changed.body, plain.body) == (b"2", b"2", b"2")
    caching = [
        dict(reply.headers)["Cache-Control"] for reply in (kept, changed, plain, after.index(request(**BROWSER), ""))
    ]
    assert caching == ["private, max-age=31536000, immutable", *["no-cache"] * 3]
    with pytest.raises(Problem, match="no such file"):
        after.file(request(), new.replace("app.js", "index.html"))


def test_the_styles_are_in_the_page_and_its_policy_names_them() -> None:
    """A browser paints nothing before it has all of them."""
    reply = StaticFiles().index(request(**BROWSER), "")
    [styles] = re.findall(r"<style>(.*)</style>", reply.body.decode(), re.DOTALL)
    named = re.findall(r'<link rel="stylesheet" href="/static/([^"]+)">', (FOLDER / "index.html").read_text())
    assert len(named) > 5
    assert all((FOLDER / name).read_text() in styles for name in named)
    assert 'rel="stylesheet"' not in reply.body.decode()
    digest = b64encode(sha256(styles.encode()).digest()).decode()
    policy = dict(reply.headers)["Content-Security-Policy"]
    assert f"style-src 'self' 'sha256-{digest}';" in policy
    assert "sha256" not in dict(StaticFiles().file(request(), "main.js").headers)["Content-Security-Policy"]
