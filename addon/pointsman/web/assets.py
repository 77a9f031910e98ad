"""The dashboard: the package's static files as own pages. They hold no data, so anyone may have them; what they show
they ask of `/api`.

The files are read once, at the start: a page costs no disk, and a path leads to a file because it stands in the table,
never because it names one.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable

from pointsman.web.page import Headers, Reply, Request

type Answer = Callable[[Request, str], Reply]

HOME = "/static"
"""Below it are the files."""
INDEX = f"{HOME}/index.html"
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""A file of any other kind (a licence) is not served."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GUARDS: Headers = (
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-cache"),
)


def assets() -> dict[str, Answer]:
    """The answer of every file, by path."""
    root = files("pointsman.web") / "static"
    return {path: _answer(file.read_bytes(), TYPES[_kind(file)]) for path, file in _files(root, HOME)}


def welcome(dashboard: Answer, greeting: Answer) -> Answer:
    """`/`: the dashboard for a browser, the greeting for a program that looks whether anybody is here."""

    def answer(request: Request, rest: str) -> Reply:
        wants_page = "text/html" in request.headers.get("accept", "")
        chosen = (dashboard if wants_page else greeting)(request, rest)
        return Reply(chosen.status, chosen.body, (*chosen.headers, ("Vary", "Accept")))

    return answer


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{path}/{each.name}")
        elif _kind(each) in TYPES:
            yield f"{path}/{each.name}", each


def _kind(file: Traversable) -> str:
    return file.name.rpartition(".")[2]


def _answer(content: bytes, kind: str) -> Answer:
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers: Headers = (("Content-Type", kind), ("ETag", tag), *GUARDS)

    def answer(request: Request, _: str) -> Reply:
        if tag in request.headers.get("if-none-match", ""):
            return Reply(304, b"", headers)
        return Reply(200, content, headers)

    return answer
