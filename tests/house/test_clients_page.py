"""docs/clients.md says what the commands print."""

from pointsman.client_setup import CLIENTS
from pointsman.client_setup.client import NOT_RUN
from support.clients_page import PAGE, with_generated


def test_the_page_has_the_clients_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_generated(page), "run: PYTHONPATH=addon:tests python -m support.clients_page"


def test_it_says_where_a_client_was_not_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = {line.split(" | ")[1].strip("`"): line for line in page.splitlines() if line.startswith("| [")}
    assert list(rows) == list(CLIENTS)
    not_run = [name for name, client in CLIENTS.items() if client.run_here == NOT_RUN]
    assert [name for name, row in rows.items() if row.endswith(f"| {NOT_RUN} |")] == not_run
