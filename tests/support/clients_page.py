"""The generated part of docs/clients.md: a table of all clients, and the set-up of each.

`PYTHONPATH=addon:tests python -m support.clients_page` writes it.
"""

from collections.abc import Iterator
from pathlib import Path

from pointsman.client_setup import CLIENTS, setup_of
from pointsman.client_setup.client import Client
from pointsman.client_setup.printing import notes, sections

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
BEGIN, END = "<!-- begin: clients -->", "<!-- end: clients -->"
URL = "http://127.0.0.1:8080"
HOME = Path("/home")


def table() -> str:
    head = ["| client | `CLIENT` | dialect | `setup --write` | `run` starts | run here |", f"|{' --- |' * 6}"]
    return "\n".join([*head, *map(row, CLIENTS.values())])


def row(client: Client) -> str:
    files = f"{len(client.files)} file{'s' * (len(client.files) > 1)}" if client.files else "–"
    start = f"`{client.start[0]}`" if client.start else "–"
    cells = (f"[{client.title}](#{anchor(client)})", f"`{client.name}`", f"`{client.dialect}`", files, start)
    return f"| {' | '.join((*cells, client.run_here))} |"


def anchor(client: Client) -> str:
    kept = (letter for letter in client.title.lower() if letter.isalnum() or letter in " -")
    return "".join(kept).replace(" ", "-")


def chapter(client: Client) -> Iterator[str]:
    yield f"## {client.title}"
    for section in sections(setup_of(client.name, URL, home=HOME, environ={}), HOME):
        title = f"`{section.title[:-1]}`:" if section.title.startswith("~") else section.title
        text = f"```{section.language}\n{section.text}```" if section.language else section.text
        yield f"{title}\n\n{text}"
    yield "\n".join(f"- {note}" for note in notes(client))


def generated() -> str:
    chapters = "\n\n".join(part.strip() for client in CLIENTS.values() for part in chapter(client) if part)
    return f"{table()}\n\n{chapters}"


def with_generated(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{generated()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
