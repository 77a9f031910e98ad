"""The limits that headers state, in the names of many makers, and which of them a refusal is about."""

import pytest

from pointsman.wire.limit_windows import limit_windows, reset_wait
from pointsman.wire.retry_after import stated_limits

WALL = 1_700_000_000.0

CEREBRAS = {
    "x-ratelimit-limit-requests-day": "14400",
    "x-ratelimit-remaining-requests-day": "14000",
    "x-ratelimit-reset-requests-day": "33011.382867",
    "x-ratelimit-limit-tokens-minute": "60000",
    "x-ratelimit-remaining-tokens-minute": "0",
    "x-ratelimit-reset-tokens-minute": "11.382867",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
    "anthropic-ratelimit-tokens-remaining": "9",
    "anthropic-ratelimit-tokens-reset": "2023-11-14T23:13:30Z",
}
CLAUDE = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": "1700003600",
    "anthropic-ratelimit-unified-5h-status": "rejected",
    "anthropic-ratelimit-unified-5h-reset": "1700003600",
    "anthropic-ratelimit-unified-7d-status": "allowed_warning",
    "anthropic-ratelimit-unified-7d-reset": "1700300000",
    "anthropic-ratelimit-unified-overage-status": "rejected",
    "anthropic-ratelimit-unified-fallback-percentage": "0.5",
}
CODEX = {
    "x-codex-primary-used-percent": "100",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-after-seconds": "5400",
    "x-codex-secondary-used-percent": "40",
    "x-codex-secondary-reset-after-seconds": "400000",
    "x-codex-primary-over-secondary-limit-percent": "30",
}

RESETS: list[tuple[str, dict[str, str], float | None]] = [
    ("nothing", {}, None),
    ("OpenRouter, seconds", {"x-ratelimit-reset": "1700000030"}, 30.0),
    ("OpenRouter, milliseconds", {"x-ratelimit-reset": "1700000030000"}, 30.0),
    ("a draft of the IETF", {"ratelimit-reset": "30"}, 30.0),
    ("with a hyphen more", {"x-rate-limit-reset": "1700000030", "x-rate-limit-limit": "10"}, 30.0),
    ("OpenAI", {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
    ("OpenAI, a moment", {"x-ratelimit-reset-requests": "6ms"}, 0.006),
    (
        "OpenAI, one is spent",
        {
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-tokens": "7m12.5s",
            "x-ratelimit-remaining-tokens": "14",
        },
        1.0,
    ),
    ("Cerebras", CEREBRAS, 11.382867),
    ("Anthropic", ANTHROPIC, 10.0),
    ("a Claude subscription", CLAUDE, 3600.0),
    ("ChatGPT", CODEX, 5400.0),
    ("GitHub", {"x-ratelimit-timeremaining": "3600", "x-ratelimit-type": "UserByModelByDay"}, 3600.0),
    ("Mistral", {"ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "26", "ratelimitbysize-limit": "5"}, 26.0),
    ("in its name", {"x-ratelimit-reset-after": "1.5"}, 1.5),
    ("milliseconds by its name", {"x-ratelimit-reset-requests-ms": "1", "x-ratelimit-reset-ms": "2500"}, 2.5),
    ("IETF", {"ratelimit": '"default";r=0;t=30'}, 30.0),
    ("IETF, several", {"ratelimit": '"minute";r=0;t=30, "hour";r=0;t=1800, "day";r=7;t=80000'}, 1800.0),
    ("IETF, with the policy", {"ratelimit": '"a"; r=0; t=59', "ratelimit-policy": '"a";q=1000;w=300'}, 59.0),
    ("IETF, once", {"ratelimit": "limit=10, remaining=0, reset=30"}, 30.0),
    ("IETF, not spent", {"ratelimit": '"default";r=5;t=30'}, None),
    ("none is spent", {"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "9h"}, None),
    ("overspent", {"x-ratelimit-remaining": "-3", "x-ratelimit-reset": "9"}, 9.0),
    ("an odd remainder", {"x-ratelimit-reset": "5", "x-ratelimit-remaining": "none"}, 5.0),
    ("past", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1600000000"}, 0.0),
    ("no time", {"x-ratelimit-reset-requests": "later"}, None),
    ("negative", {"x-ratelimit-reset": "-5"}, None),
    ("not a number", {"x-ratelimit-reset": "NaN", "ratelimit": "r=x;t=y"}, None),
    ("huge", {"x-ratelimit-reset": "9" * 400, "ratelimit": f'"a";r=0;t={"9" * 400}'}, None),
    ("another header", {"x-limit": "5", "x-codex-plan-type": "pro", "x-ratelimit-over-limit": "yes"}, None),
]


@pytest.mark.parametrize(("maker", "headers", "seconds"), RESETS, ids=[row[0] for row in RESETS])
def test_of_several_limits_the_spent_ones_count_and_of_these_the_last_to_be_back(
    maker: str, headers: dict[str, str], seconds: float | None
) -> None:
    assert reset_wait(limit_windows(headers), WALL) == pytest.approx(seconds), maker


def test_where_only_spent_ones_count_a_bare_reset_does_not() -> None:
    assert reset_wait(limit_windows({"x-ratelimit-reset": "30"}), WALL, only_spent=True) is None
    assert reset_wait(limit_windows(ANTHROPIC), WALL, only_spent=True) == 10.0


def test_a_flood_of_headers_is_bounded() -> None:
    headers = {f"x-ratelimit-reset-{n}": "5" for n in range(10_000)} | {"ratelimit": '"a";r=0;t=5,' * 100_000}
    assert len(limit_windows(headers)) <= 64


class TestStatedLimits:
    @pytest.mark.parametrize(
        ("headers", "limits"),
        [
            ({}, []),
            ({"x-ratelimit-limit-requests": "30", "x-ratelimit-reset-requests": "2s"}, [("rpm", 30)]),
            ({"x-ratelimit-limit-requests": "1000", "x-ratelimit-reset-requests": "2m59.5s"}, [("rpd", 1000)]),
            ({"x-ratelimit-limit-tokens": "6000", "x-ratelimit-reset-tokens": "60s"}, [("tpm", 6000)]),
            ({"x-ratelimit-limit-requests-day": "50"}, [("rpd", 50)]),
            ({"x-ratelimit-limit-tokens-minute": "7", "x-ratelimit-limit-req-minute": "2"}, [("tpm", 7), ("rpm", 2)]),
            ({"x-ratelimit-limit": "20", "x-ratelimit-reset": "1700000060000"}, [("rpm", 20)]),
            (
                {
                    "anthropic-ratelimit-requests-limit": "50",
                    "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30Z",
                },
                [("rpm", 50)],
            ),
            (
                {
                    "date": "Tue, 14 Nov 2023 22:03:20 GMT",  # ten minutes behind
                    "anthropic-ratelimit-requests-limit": "50",
                    "anthropic-ratelimit-requests-reset": "2023-11-14T22:03:30Z",
                },
                [("rpm", 50)],
            ),
            (CODEX, []),
            (CLAUDE, []),
            ({"x-ratelimit-limit-requests": "30"}, []),
            ({"x-ratelimit-limit-requests": "0", "x-ratelimit-reset-requests": "2s"}, []),
            ({"x-ratelimit-limit-requests": "many", "x-ratelimit-reset-requests": "2s"}, []),
            ({"ratelimitbysize-limit": "9", "ratelimitbysize-reset": "3"}, []),
            ({"anthropic-ratelimit-input-tokens-limit": "9", "anthropic-ratelimit-input-tokens-reset": "3"}, []),
            ({"x-ratelimit-limit-images": "9", "x-ratelimit-reset-images": "3"}, []),
        ],
    )
    def test_each_is_for_the_minute_or_the_day_by_its_name_or_its_reset(
        self, headers: dict[str, str], limits: list[tuple[str, int]]
    ) -> None:
        assert list(stated_limits(headers, WALL)) == limits
