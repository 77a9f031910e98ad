"""A problem is an exception like any other."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pointsman.wire.errors import STATUS_OF, Code, Problem


@contextmanager
def passing() -> Iterator[None]:
    yield


def test_it_passes_through_context_managers() -> None:
    with pytest.raises(Problem, match="no such thing"), passing():
        raise Problem(Code.NOT_FOUND, "no such thing")


@pytest.mark.parametrize("code", Code)
def test_every_code_has_an_error_status(code: Code) -> None:
    assert Problem(code, "m").status == STATUS_OF[code]
    assert 400 <= STATUS_OF[code] <= 599
