"""docs/clients.md says what the commands print."""

from pointsman.client_setup import CLIENTS
from pointsman.client_setup.client import NOT_RUN
from support.clients_page import BEGIN, END, PAGE, with_generated


def test_the_page_has_the_clients_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_generated(page), "run: PYTHONPATH=addon:tests python -m support.clients_page"


def table_of(page: str) -> list[str]:
    generated = page.partition(BEGIN)[2].partition(END)[0]
    return [line for line in generated.splitlines() if line.startswith("| [")]


def test_it_says_where_a_client_was_not_run() -> None:
    rows = {line.split(" | ")[1].strip("`"): line for line in table_of(PAGE.read_text(encoding="utf-8"))}
    assert list(rows) == list(CLIENTS)
    not_run = [name for name, client in CLIENTS.items() if client.run_here == NOT_RUN]
    assert [name for name, row in rows.items() if row.endswith(f"| {NOT_RUN} |")] == not_run
