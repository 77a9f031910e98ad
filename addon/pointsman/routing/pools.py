"""Which targets an automatic request may have in each mode.

A mode's pools are a table: those in one group compete with each other, the next group only gets what the first one
cannot take. Where none of them holds an enabled target, the next pool is used, and the field says so.

A target's `priority` comes before its pool: the next number is used only where nothing of this one is usable.

`smart_first` models stand before all others in `smart`, in the order of their numbers, and are never chosen by
themselves in another mode. Names and pins reach every target: what the client asks for by name is no automatic request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from pointsman.config.enums import Kind, Mode, Pool
from pointsman.domain.targets import Inventory, Target
from pointsman.enum_tables import require_total
from pointsman.routing.exclusion_reasons import Exclusion, ExclusionReason
from pointsman.routing.resolve import Resolution

type PoolGroup = frozenset[Pool]
type Tier = tuple[Target, ...]

POOL_GROUPS: Mapping[Mode, tuple[PoolGroup, ...]] = {
    Mode.FAST: (frozenset({Pool.FAST}), frozenset({Pool.BALANCED})),
    Mode.BALANCED: (frozenset({Pool.BALANCED, Pool.FAST}),),
    Mode.SMART: (frozenset(Pool),),
}
require_total(POOL_GROUPS, Mode, "routing.pools.POOL_GROUPS")
FALLBACK_POOL: PoolGroup = frozenset({Pool.SMART})
"""The pool that is used where those of a mode are empty."""


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The targets that a mode or a model name selects. All of a tier come before any of the next one; within one, the
    score decides. `note` says which pool was used in place of which.
    """

    tiers: tuple[Tier, ...]
    targets: Tier
    excluded: tuple[Exclusion, ...] = ()
    note: str = ""
    steps: Mapping[Target, str] = field(default_factory=dict)
    """Of a chain: the step that each target belongs to, for people."""


def for_named_model(resolution: Resolution) -> CandidateSet:
    """The client named a model: pools do not apply."""
    return by_priority(CandidateSet((resolution.targets,), resolution.targets))


def for_chain(steps: Sequence[tuple[str, CandidateSet]]) -> CandidateSet:
    """All targets of a step (one name) come before any of the next one. A target belongs to its first step."""
    belongs: dict[Target, str] = {}
    tiers: list[Tier] = []
    for number, (name, step) in enumerate(steps, start=1):
        for tier in step.tiers:
            fresh = tuple(target for target in tier if target not in belongs)
            belongs.update(dict.fromkeys(fresh, f"step {number} of {len(steps)}, {name}"))
            tiers += [fresh] if fresh else []
    excluded = {each.target: each for _, step in steps for each in step.excluded if each.target not in belongs}
    note = "; ".join(dict.fromkeys(step.note for _, step in steps if step.note))
    return CandidateSet(tuple(tiers), tuple(belongs), tuple(excluded.values()), note, belongs)


def by_priority(candidates: CandidateSet) -> CandidateSet:
    """The tiers of priority 1 before those of priority 2, whatever their pools."""
    numbers = sorted({target.priority for target in candidates.targets})
    if len(numbers) < 2:
        return candidates
    parts = (
        tuple(target for target in tier if target.priority == number) for number in numbers for tier in candidates.tiers
    )
    return replace(candidates, tiers=tuple(filter(None, parts)))


def for_mode(mode: Mode, inventory: Inventory) -> CandidateSet:
    """Any model would do, so the mode's pools decide."""
    chats = inventory.of_kind(Kind.CHAT)
    first = sorted((target for target in chats if target.model.smart_first), key=_smart_place)
    others = [target for target in chats if not target.model.smart_first]
    groups = POOL_GROUPS[mode]
    used = [
        group for group in (*groups, FALLBACK_POOL) if group in groups or not _has_enabled(others, groups, inventory)
    ]
    tiers = [tuple(target for target in others if target.model.pool in group) for group in used]
    if mode is Mode.SMART:
        tiers = [*(tuple(tier) for _, tier in groupby(first, _smart_place)), *tiers]
    tiers = [tier for tier in tiers if tier]
    members = {target for tier in tiers for target in tier}
    found = CandidateSet(
        tuple(tiers),
        tuple(target for target in chats if target in members),
        tuple(_pool_exclusion(target, mode) for target in chats if target not in members),
        _note(others, used, inventory),
    )
    return by_priority(found)


def _smart_place(target: Target) -> int:
    return target.model.smart_first


def _has_enabled(targets: list[Target], groups: tuple[PoolGroup, ...], inventory: Inventory) -> bool:
    """An enabled target, with an enabled key if it needs one."""
    return any(
        target.enabled and inventory.keys[target] and target.model.pool in group
        for target in targets
        for group in groups
    )


def _note(targets: list[Target], used: list[PoolGroup], inventory: Inventory) -> str:
    """Empty while the mode's first group has an enabled target."""
    serving = next((group for group in used if _has_enabled(targets, (group,), inventory)), None)
    if serving is None or serving == used[0]:
        return ""
    empty = " and ".join(pool for group in used[: used.index(serving)] for pool in Pool if pool in group)
    stand_in = ", ".join(pool for pool in Pool if pool in serving)
    return f"pool {stand_in}, as there is no enabled target in {empty}"


def _pool_exclusion(target: Target, mode: Mode) -> Exclusion:
    if target.model.smart_first:
        return Exclusion(target, None, ExclusionReason.SMART_FIRST, "only by name, by pin or in auto-smart")
    return Exclusion(target, None, ExclusionReason.POOL, f"pool {target.model.pool} is not used in mode {mode}")
