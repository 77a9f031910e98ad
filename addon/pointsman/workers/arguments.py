"""What `--workers N` and the arguments beside it, which are mitmproxy's, mean for each worker."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pointsman.workers.this_worker import FIRST

MAX_WORKERS = 64
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8080
WEB_ALONE = re.compile(r"--(no-)?web-")
"""Arguments that mitmweb has and mitmdump has not."""
WITHOUT_VALUE = frozenset({"--web-open-browser", "--no-web-open-browser", "--web-debug", "--no-web-debug"})
OF_FIRST = frozenset({"-w", "--save-stream-file"})
"""A file that only one process can write."""


class WrongArguments(ValueError):
    """The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class WorkerArguments:
    """`command` is `web` or `dump`, `given` mitmproxy's arguments; `host` and `port` are where the workers listen."""

    workers: int
    command: str
    given: tuple[str, ...]
    host: str
    port: int
    shared_url: str | None = None

    def of_worker(self, number: int) -> list[str]:
        """The arguments of `pointsman` for it. One mitmweb is enough; the dashboard shows all workers."""
        if number == FIRST:
            return [self.command, *self.given]
        return ["dump", *_without_first_ones(self.given)]


def workers_of(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """How many workers the arguments ask for, 1 if they do not say, and the rest of them. Raises WrongArguments."""
    found = next((at for at, each in enumerate(arguments) if re.match(r"--workers(=|$)", each)), None)
    if found is None:
        return 1, list(arguments)
    name, is_joined, value = arguments[found].partition("=")
    end = found + (1 if is_joined else 2)
    text = value if is_joined else "".join(arguments[found + 1 : end])
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_WORKERS):
        raise WrongArguments(f"{name} needs a number from 1 to {MAX_WORKERS}, the processes to start; it has {text!r}")
    return int(text), [*arguments[:found], *arguments[end:]]


def config_named(given: Sequence[str]) -> str | None:
    """The configuration file that the arguments name."""
    return _option(given, (), "pointsman_config")


def listening(given: Sequence[str]) -> tuple[str, int]:
    """The host and port. Raises WrongArguments where it is not one port that several processes can share."""
    if modes := [each for each in _options(given, ("-m", "--mode"), "mode") if "@" in each]:
        raise WrongArguments(f"--workers needs one port for all, given by --listen-port: not in --mode {modes[0]}")
    port = _option(given, ("-p", "--listen-port"), "listen_port") or str(DEFAULT_PORT)
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise WrongArguments(f"--workers needs a port that is known before: --listen-port has {port!r}")
    return _option(given, ("--listen-host",), "listen_host") or DEFAULT_HOST, int(port)


def _option(given: Sequence[str], flags: Sequence[str], option: str) -> str | None:
    return next(reversed(list(_options(given, flags, option))), None)


def _options(given: Sequence[str], flags: Sequence[str], option: str) -> Iterator[str]:
    """The values that an option of mitmproxy is given, as a flag of its own or through `--set`."""
    for at, each in enumerate(given):
        following = given[at + 1] if at + 1 < len(given) else ""
        name, is_joined, value = each.partition("=")
        if each in flags:
            yield following
        elif is_joined and name in flags and name.startswith("--"):
            yield value
        elif each == "--set" and following.partition("=")[0] == option:
            yield following.partition("=")[2]
        elif name == "--set" and value.partition("=")[0] == option:
            yield value.partition("=")[2]


def _without_first_ones(given: Sequence[str]) -> list[str]:
    kept, skip = [], False
    for each in given:
        if skip:
            skip = False
        elif WEB_ALONE.match(each) or each.partition("=")[0] in OF_FIRST:
            skip = "=" not in each and each not in WITHOUT_VALUE
        else:
            kept.append(each)
    return kept
