"""Long lists for pages: made in slices, kept where they are asked for every second, and whole after a reload."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pointsman.config.runtime_overrides import RuntimeOverrides
from pointsman.routing.router import Router
from pointsman.web import slices
from pointsman.web.api.fallback import FallbackPages
from pointsman.web.api.quotas import LIFETIME, MAX_SHOWN, EndingQuotas
from pointsman.web.slices import in_slices
from support.settings import provider, settings
from web.page_requests import payload_of, request

NOW, WALL = 200_000.0, 1_700_000_000.0
KEYS = ["sk-first-0001", "sk-second-0002"]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item is a slice of its own."""
    monkeypatch.setattr(slices, "SLICE", -1.0)


def with_models(count: int) -> dict[str, Any]:
    models = [{"id": f"m{n}", "limits": {"rpd": 100}} for n in range(count)]
    return {"p": provider(keys=KEYS) | {"models": models}}


def router_of(count: int) -> Router:
    return Router(settings(with_models(count)), b"secret" * 6)


@pytest.mark.usefixtures("at_once")
async def test_the_loop_is_free_between_slices() -> None:
    order = list[str]()

    def items() -> Iterator[int]:
        for n in range(3):
            order.append(f"item {n}")
            yield n

    async def others() -> None:
        for _ in range(3):
            order.append("others")
            await asyncio.sleep(0)

    assert (await asyncio.gather(in_slices(items()), others()))[0] == [0, 1, 2]
    assert order == ["item 0", "others", "item 1", "others", "item 2", "others"]


@pytest.mark.usefixtures("at_once")
async def test_what_is_asked_for_together_is_looked_at_once_and_kept_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    router, moment, looks = router_of(2), [NOW], list[float]()
    target = router.inventory.targets[1]
    for _ in range(60):
        router.limits.lease(router.inventory.keys[target][1].pair_id, target.model.limits, 1, NOW)
    look = router.quotas
    monkeypatch.setattr(router, "quotas", lambda now, wall: (looks.append(now), look(now, wall))[1])  # type: ignore[func-returns-value]
    quotas = EndingQuotas(router, lambda: moment[0], lambda: WALL)
    first, second = await asyncio.gather(quotas.to_list(), quotas.to_list())
    assert first is second
    assert [(each["model"], each["key"], each["used"]) for each in first] == [("m1", "key-2", 60)]
    moment[0] += LIFETIME
    assert await quotas.to_list() is not first
    assert looks == [NOW, NOW + LIFETIME]


async def test_the_first_quotas_to_end_are_reported() -> None:
    router = router_of(MAX_SHOWN)
    for place, target in enumerate(router.inventory.targets):
        for key in router.inventory.keys[target]:
            for _ in range(50 + place % 40):
                router.limits.lease(key.pair_id, target.model.limits, 1, NOW)
    told = await EndingQuotas(router, lambda: NOW, lambda: WALL).to_list()
    ends = [each["used_up_at"] for each in told]
    assert len(told) == MAX_SHOWN
    assert ends == sorted(ends)
    assert told[0]["used"] == 89


@pytest.mark.usefixtures("at_once")
async def test_targets_are_those_of_one_configuration_when_it_changes_meanwhile() -> None:
    router = router_of(3)
    held = SimpleNamespace(current=SimpleNamespace(settings=router.settings, overrides=RuntimeOverrides()))
    pages = FallbackPages(held, router, lambda: NOW, lambda: WALL)  # type: ignore[arg-type]

    async def reload() -> None:
        router.update_settings(settings(with_models(2)), NOW)

    reply, _ = await asyncio.gather(pages.all(request("/api/fallback"), ""), reload())
    assert [each["model"] for each in payload_of(reply)["targets"]] == ["m0", "m1"]


def test_a_provider_is_busy_only_if_all_of_its_keys_are_used_up() -> None:
    router = router_of(2)
    pairs = [(target, key) for target in router.inventory.targets for key in router.inventory.keys[target]]
    for target, key in pairs:
        assert router.busy_providers(NOW) == frozenset()
        for _ in range(100):
            router.limits.lease(key.pair_id, target.model.limits, 1, NOW)
    assert router.busy_providers(NOW) == {"p"}
