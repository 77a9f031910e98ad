"""The dashboard's files, read once at the start: a request is looked up in a table and never becomes a path."""

from collections.abc import Iterable
from pathlib import Path

from pointsman.web.http import Headers, PageReply, PageRequest, json_reply, with_etag
from pointsman.wire.errors import Code, Problem

FOLDER = Path(__file__).with_name("static")
INDEX = "index.html"
END_OF_HEAD = b"  </head>\n"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Headers = (
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
SERVICE_INFO = {"name": "pointsman", "base_url": "/v1", "exchanges": "/internal/exchanges", "api": "/api/openapi.json"}


class StaticFiles:
    """Every file of a known type below the folder; nothing else is served."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = [path for path in folder.rglob("*") if path.suffix in TYPES and path.is_file()]
        files = {path.relative_to(folder).as_posix(): path for path in paths}
        self._files = {
            name: PageReply(200, path.read_bytes(), _headers(TYPES[path.suffix])) for name, path in files.items()
        }
        if INDEX in files:
            content = with_preloads(files[INDEX].read_bytes(), [name for name in files if name.endswith(".js")])
            self._files[INDEX] = PageReply(200, content, _headers(TYPES[".html"]))

    def file(self, request: PageRequest, name: str) -> PageReply:
        """Raises Problem (not_found)."""
        found = self._files.get(name)
        if found is None:
            raise Problem(Code.NOT_FOUND, "There is no such file.")
        return with_etag(request, found)

    def index(self, request: PageRequest, _: str) -> PageReply:
        """The dashboard for browsers, and service information for clients that check the address first."""
        if "text/html" in request.headers.get("accept", ""):
            return self.file(request, INDEX)
        return json_reply(SERVICE_INFO, headers=(("Vary", "Accept"),))


def with_preloads(page: bytes, modules: Iterable[str]) -> bytes:
    """The page with a hint for each module, so that a browser fetches all of them at once: modules name others only
    when they have arrived.
    """
    hints = "".join(f'    <link rel="modulepreload" href="/static/{name}">\n' for name in sorted(modules))
    return page.replace(END_OF_HEAD, hints.encode() + END_OF_HEAD, 1)


def _headers(content_type: str) -> Headers:
    return (("Content-Type", content_type), ("Cache-Control", "no-cache"), ("Vary", "Accept"), *SECURITY_HEADERS)
