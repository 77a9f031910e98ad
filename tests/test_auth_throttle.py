"""Wrong keys are counted by address, and forgotten in time."""

import pytest

from pointsman.auth_throttle import MAX_ADDRESSES, MAX_WRONG_KEYS, WINDOW, AuthThrottle, check_throttle
from pointsman.wire.errors import Code, Problem

WRONG = Problem(Code.INVALID_API_KEY, "wrong")


def test_ten_within_a_minute_are_too_many() -> None:
    guesses = AuthThrottle()
    for n in range(MAX_WRONG_KEYS):
        assert guesses.wait_seconds("10.0.0.1", n) is None
        guesses.record_failure("10.0.0.1", n)
    assert guesses.wait_seconds("10.0.0.1", MAX_WRONG_KEYS) == WINDOW - MAX_WRONG_KEYS
    assert guesses.wait_seconds("10.0.0.2", MAX_WRONG_KEYS) is None
    assert guesses.wait_seconds("10.0.0.1", WINDOW) is None


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
def test_all_addresses_of_a_network_count_as_one(one: str, other: str, same: bool) -> None:
    guesses = AuthThrottle()
    for _ in range(MAX_WRONG_KEYS):
        guesses.record_failure(one, 0)
    assert (guesses.wait_seconds(other, 1) is not None) is same


def test_only_so_many_addresses_are_remembered_and_none_for_longer_than_a_minute() -> None:
    guesses = AuthThrottle()
    for n in range(MAX_ADDRESSES + 500):
        guesses.record_failure(f"10.0.{n // 256}.{n % 256}", 0)
    assert len(guesses) == MAX_ADDRESSES
    guesses.record_failure("10.9.9.9", WINDOW)
    assert len(guesses) == 1


@pytest.mark.parametrize(("local", "with_the_right_key"), [(True, None), (False, Code.RATE_LIMITED)])
def test_on_this_machine_one_clients_wrong_keys_do_not_lock_out_another(
    local: bool, with_the_right_key: Code | None
) -> None:
    guesses = AuthThrottle()
    codes = [
        found.code for n in range(MAX_WRONG_KEYS + 1) if (found := check_throttle(guesses, WRONG, "::1", local, n))
    ]
    assert codes == [Code.INVALID_API_KEY] * MAX_WRONG_KEYS + [Code.RATE_LIMITED]
    found = check_throttle(guesses, None, "::1", local, MAX_WRONG_KEYS)
    assert (found and found.code) == with_the_right_key
