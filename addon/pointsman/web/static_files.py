"""The dashboard's files, read once at the start: a request is looked up in a table and never becomes a path.

The page names its files below a folder that is called after their content (`/static/v-0123456789abcdef/`), so that
browsers keep them and need not ask again. The page contains its styles, because browsers paint nothing before they have
all of them; the content security policy names them by their digest.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import blake2b, sha256
from pathlib import Path

from pointsman.web.http import Headers, PageReply, PageRequest, json_reply, with_etag
from pointsman.wire.errors import Code, Problem

FOLDER = Path(__file__).with_name("static")
INDEX = "index.html"
END_OF_HEAD = "  </head>\n"
STYLESHEET = re.compile(r' *<link rel="stylesheet" href="/static/([^"]+)">\n')
VERSION = re.compile(r"v-[0-9a-f]{16}/")
FOREVER = (("Cache-Control", "private, max-age=31536000, immutable"),)
ASK_AGAIN = (("Cache-Control", "no-cache"),)
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
        "style-src 'self'{style_digest}",
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
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
SERVICE_INFO = {"name": "pointsman", "base_url": "/v1", "exchanges": "/internal/exchanges", "api": "/api/openapi.json"}


class StaticFiles:
    """Every file of a known type below the folder; no other file is served."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = [path for path in folder.rglob("*") if path.suffix in TYPES and path.is_file()]
        contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}
        page = contents.pop(INDEX, b"").decode()
        styles = "\n".join(contents[name].decode() for name in STYLESHEET.findall(page))
        self._version = f"v-{_digest(contents)}/"
        self._files = {name: PageReply(200, content, _headers(name, ASK_AGAIN)) for name, content in contents.items()}
        self._kept = {name: PageReply(200, content, _headers(name, FOREVER)) for name, content in contents.items()}
        if page:
            modules = [name for name in contents if name.endswith(".js")]
            whole = whole_page(page, styles, modules, f"/static/{self._version}")
            self._files[INDEX] = PageReply(200, whole.encode(), _headers(INDEX, ASK_AGAIN, styles))

    def file(self, request: PageRequest, name: str) -> PageReply:
        """A page of before may still name files by an earlier version. Raises Problem (not_found)."""
        files, version = self._files, VERSION.match(name)
        if version:
            files, name = self._kept if version[0] == self._version else self._files, name[version.end() :]
        found = files.get(name)
        if found is None:
            raise Problem(Code.NOT_FOUND, "There is no such file.")
        return with_etag(request, found)

    def index(self, request: PageRequest, _: str) -> PageReply:
        """The dashboard for browsers, and service information for clients that check the address first."""
        if "text/html" in request.headers.get("accept", ""):
            return self.file(request, INDEX)
        return json_reply(SERVICE_INFO, headers=(("Vary", "Accept"),))


def whole_page(page: str, styles: str, modules: Iterable[str], folder: str) -> str:
    """The page with its styles, its files in `folder`, and a hint for each module, so that a browser fetches all of
    them at once: modules name others only when they have arrived.
    """
    hints = "".join(f'    <link rel="modulepreload" href="/static/{name}">\n' for name in sorted(modules))
    page = STYLESHEET.sub("", page).replace('"/static/', f'"{folder}')
    head = f"    <style>{styles}</style>\n" + hints.replace('"/static/', f'"{folder}')
    return page.replace(END_OF_HEAD, head + END_OF_HEAD, 1)


def _digest(contents: Mapping[str, bytes]) -> str:
    found = blake2b(digest_size=8)
    for name, content in contents.items():
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _headers(name: str, caching: Headers, styles: str = "") -> Headers:
    """`styles` are those within the file."""
    digest = f" 'sha256-{b64encode(sha256(styles.encode()).digest()).decode()}'" if styles else ""
    policy = ("Content-Security-Policy", POLICY.format(style_digest=digest))
    content_type = TYPES[Path(name).suffix]
    return (("Content-Type", content_type), *caching, ("Vary", "Accept"), policy, *SECURITY_HEADERS)
