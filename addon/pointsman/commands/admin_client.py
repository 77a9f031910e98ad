"""How commands reach the running router: at its own address, with the admin key from the environment, the
configuration or the data folder.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from pointsman import config
from pointsman.client_setup.resolve import normal_url
from pointsman.commands.config_args import add_config_argument
from pointsman.commands.terminal import printable
from pointsman.config import ConfigError
from pointsman.host_names import is_loopback_name
from pointsman.overrides import data_folder, read_admin_key

DEFAULT_ROUTER_URL = "http://127.0.0.1:8080"
REQUEST_TIMEOUT = 60.0
"""Seconds; sums over a large history take some."""
CURSOR_HEADER = "X-Next-Cursor"
ADMIN_KEY_VARIABLE = "POINTSMAN_SERVER__ADMIN_KEY"
DATA_VARIABLE = "POINTSMAN_DATA"
KEY_REMEDY = (
    f"Set it in {ADMIN_KEY_VARIABLE}, or as server.admin_key in the configuration. A key that the router made is found"
    f" in its data folder; if that is not the default one, name it in {DATA_VARIABLE}."
)
NOT_POINTSMAN = "the server at {} is not Pointsman; set --router"


HISTORY_IS_OFF = "history.path is off"
"""What the router says where it keeps no history."""
HISTORY_REMEDY = "; set it in the configuration (the demo providers keep no history)"


class AdminApiError(Exception):
    """The router gave no usable answer; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    """A client of the admin API at `url`; `key` is the admin key."""

    url: str
    key: str | None = field(repr=False)

    def get(self, path: str) -> Any:
        """The JSON at `path`, such as `/api/overview`. Raises AdminApiError."""
        return self._open("GET", path, None, json.load)

    def get_text(self, path: str) -> tuple[str, str | None]:
        """What is at `path`, with the cursor of its next page or None. Raises AdminApiError."""
        return self._open(
            "GET", path, None, lambda response: (response.read().decode(), response.headers.get(CURSOR_HEADER))
        )

    def post(self, path: str, body: bytes = b"{}") -> Any:
        """The JSON that answers a POST of a JSON body. Raises AdminApiError."""
        return self._open("POST", path, body, json.load)

    def change(self, method: str, path: str, body: object) -> Any:
        """The JSON that answers a change; None if the answer is empty. Raises AdminApiError."""
        return self._open(method, path, json.dumps(body).encode(), _json_if_any)

    def _open[T](self, method: str, path: str, body: bytes | None, read: Callable[[Any], T]) -> T:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(f"{self.url.rstrip('/')}{path}", body, headers, method=method)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=REQUEST_TIMEOUT) as response:
                return read(response)
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, HTTPError) and error.code == HTTPStatus.NOT_FOUND and body is None:
                raise AdminApiError(NOT_POINTSMAN.format(self.url)) from None
            raise AdminApiError(describe_error(error, self.url)) from None


def add_router(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where the router is and which configuration holds its key."""
    add_router_argument(parser)
    add_config_argument(parser)


def add_router_argument(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--router",
        type=_router_url,
        default=DEFAULT_ROUTER_URL,
        metavar="HOST:PORT",
        help=f"address of the router, or its URL (default: {DEFAULT_ROUTER_URL})",
    )


def _router_url(given: str) -> str:
    try:
        return normal_url(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def connect(given: argparse.Namespace) -> AdminClient:
    return AdminClient(given.router, admin_key(given.config, given.router))


def admin_key(named: str | None, url: str) -> str | None:
    """The environment's, else the configuration's, else the kept one, which is for a router at a loopback address.
    None if there is none.
    """
    if key := os.environ.get(ADMIN_KEY_VARIABLE):
        return key
    history: Path | None = None
    try:
        if path := config.find_file(named, os.environ, Path.cwd(), Path.home()):
            settings = config.load(path, os.environ)
            if settings.server.admin_key:
                return settings.server.admin_key.get_secret_value()
            history = settings.history.path
    except ConfigError:
        pass  # the router may run with an earlier version of the file
    if not is_loopback_name(urlsplit(url).hostname or ""):
        return None
    try:
        return read_admin_key(data_folder(os.environ.get(DATA_VARIABLE), history, Path.home()))
    except OSError:
        return None


def _json_if_any(response: Any) -> Any:
    return None if response.status == HTTPStatus.NO_CONTENT else json.load(response)


def describe_error(error: Exception, router: str) -> str:
    """Why a request to the router failed, as one line of text with the remedy."""
    if isinstance(error, HTTPError):
        try:
            message = printable(json.load(error)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return NOT_POINTSMAN.format(router)
        return f"{message} {KEY_REMEDY}" if error.code == 401 else message
    if isinstance(error, URLError):
        return f"cannot connect to the router at {router} ({error.reason}); start it, or set --router"
    if isinstance(error, OSError):
        return f"{error.filename or router}: {error.strerror or error}"
    return NOT_POINTSMAN.format(router)


def history_of(answer: Any) -> Any:
    """An answer that is read from the history. Raises AdminApiError where it could not be; where the history has rows,
    but not the newest, that is said beside them.
    """
    if problem := answer["problem"]:
        if not (answer.get("requests") or answer.get("rows")):
            raise AdminApiError(problem + HISTORY_REMEDY * (problem == HISTORY_IS_OFF))
        print(f"The newest requests are missing, the history cannot be written: {problem}", file=sys.stderr)
    return answer
