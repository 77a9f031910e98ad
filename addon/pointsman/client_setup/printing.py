"""A set-up as text, for the terminal and for the documentation."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pointsman.client_setup.client import Client, FileFormat
from pointsman.client_setup.resolve import ClientSetup, exports


@dataclass(frozen=True, slots=True)
class Section:
    """One thing to do: `title` says where `text` goes. `language` is that of a Markdown code block."""

    title: str
    language: str
    text: str


def sections(setup: ClientSetup, home: Path) -> Iterator[Section]:
    """Paths in `home` begin with `~`."""
    for file in setup.files:
        yield Section(f"{_short(file.path, home)}:", _language(file.format), file.text)
    if setup.steps:
        yield Section("By hand:", "", "".join(f"{number}. {step}\n" for number, step in enumerate(setup.steps, 1)))
    if setup.code:
        yield Section("In a program:", setup.code.language, setup.code.text)
    if shell := _shell(setup):
        title = "Then, in a shell:" if setup.client.needs_files else "Or in a shell:"
        yield Section(title, "sh", shell)


def notes(client: Client) -> Iterator[str]:
    """What else there is to know, in Markdown."""
    yield from client.notes
    if client.aliases:
        aliases = ", ".join(f"{name}: {mode}" for name, mode in client.aliases.items())
        yield f"The router needs an alias for that name: `routing: {{aliases: {{{aliases}}}}}`."
    if client.unset:
        names = ", ".join(f"`{name}`" for name in client.unset)
        yield f"If they are set, these variables lead to another server: {names}. `pointsman run` leaves them out."
    if client.install:
        yield f"To install it: {client.install if client.install.startswith('see ') else f'`{client.install}`'}"


def _language(file_format: FileFormat) -> str:
    return "sh" if file_format is FileFormat.DOTENV else file_format.value


def _shell(setup: ClientSetup) -> str:
    """Commands that set the environment and start the client. Empty if that is not enough, or nothing is set."""
    variables = list(exports(setup))
    if not variables or setup.run_files:
        return ""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables]
    return "\n".join([*lines, *([shlex.join(setup.start)] if setup.start else [])]) + "\n"


def _short(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
