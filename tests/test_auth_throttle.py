"""Wrong keys are counted by address, and forgotten in time."""

import pytest

from pointsman.auth_throttle import FEW, MOST, WITHIN, Guesses, weighed
from pointsman.wire.errors import Code, Problem

WRONG = Problem(Code.INVALID_API_KEY, "wrong")


def test_ten_within_a_minute_are_too_many() -> None:
    guesses = Guesses()
    for n in range(FEW):
        assert guesses.wait("10.0.0.1", n) is None
        guesses.wrong("10.0.0.1", n)
    assert guesses.wait("10.0.0.1", FEW) == WITHIN - FEW
    assert guesses.wait("10.0.0.2", FEW) is None
    assert guesses.wait("10.0.0.1", WITHIN) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_whoever_has_one_address_of_a_network_has_them_all(one: str, other: str, same: bool) -> None:
    guesses = Guesses()
    for _ in range(FEW):
        guesses.wrong(one, 0)
    assert (guesses.wait(other, 1) is not None) is same


def test_only_so_many_addresses_are_remembered_and_none_for_longer_than_a_minute() -> None:
    guesses = Guesses()
    for n in range(MOST + 500):
        guesses.wrong(f"10.0.{n // 256}.{n % 256}", 0)
    assert len(guesses) == MOST
    guesses.wrong("10.9.9.9", WITHIN)
    assert len(guesses) == 1


@pytest.mark.parametrize(("local", "with_the_right_key"), [(True, None), (False, Code.RATE_LIMITED)])
def test_on_this_machine_one_clients_wrong_keys_do_not_lock_out_another(
    local: bool, with_the_right_key: Code | None
) -> None:
    guesses = Guesses()
    codes = [found.code for n in range(FEW + 1) if (found := weighed(guesses, WRONG, "::1", local, n))]
    assert codes == [Code.INVALID_API_KEY] * FEW + [Code.RATE_LIMITED]
    found = weighed(guesses, None, "::1", local, FEW)
    assert (found and found.code) == with_the_right_key
