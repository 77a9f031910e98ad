"""What docs/dialects.md says of what crosses is what the code decides."""

import pytest

from pointsman.config.enums import Dialect
from support.crossing_table import DROPPED, PAGE, REFUSED, ROWS, YES, Row, outcome, table, with_table


def test_the_page_has_the_table_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run: PYTHONPATH=addon:tests python -m support.crossing_table"
    assert table() in page


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_a_row_asks_for_what_it_says(row: Row) -> None:
    """Each dialect's own request holds what is looked for, else the table would call everything dropped."""
    found = {outcome(row, client, provider) for client in row.asked for provider in Dialect if client is not provider}
    assert found <= {YES, REFUSED, DROPPED}
    assert found & {YES, REFUSED}
