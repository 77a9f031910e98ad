"""Targets and candidates: the configuration as routing sees it.

An `Inventory` is made once for each configuration and never changes; a reload makes a new one, and running exchanges
keep theirs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pointsman.config import Key, Model, Provider, Settings, Timeouts
from pointsman.config.enums import Dialect, Kind, ProtectionLevel
from pointsman.prices import Rates, model_rates

type KeyId = tuple[str, str | None]
"""A provider and the id of one of its keys, None for a provider without keys."""
ACCOUNT = "account"
"""What stands for a model where none is asked."""
NO_RATES: Mapping[str, Rates | None] = MappingProxyType({})
type PairId = tuple[str, str | None]
"""A target's label and the id of one of its keys: one model of one key."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A (provider, model) pair. `rank` is its place in the configured order, 0 first."""

    provider: Provider
    model: Model
    rank: int
    label: str
    """`provider/model`."""
    protection_level: ProtectionLevel
    scope: str
    """What its level speaks of: its provider's name, or its own label where it has a level of its own."""
    rates: Mapping[str, Rates | None] = field(default_factory=dict, repr=False)
    """What its provider's models cost, by the id that is sent; those that are absent are not known."""

    @property
    def enabled(self) -> bool:
        return self.provider.enabled and self.model.enabled

    @property
    def priority(self) -> int:
        """Its tier, 1 first."""
        own = self.model.priority
        return self.provider.priority if own is None else own

    @property
    def weight(self) -> float:
        """Its share where the strategy is `weighted`."""
        own = self.model.weight
        return self.provider.weight if own is None else own

    @property
    def timeouts(self) -> Timeouts:
        return self.model.timeouts or self.provider.timeouts

    @property
    def addresses(self) -> tuple[object, ...]:
        """The provider's base URL, main dialect, and base URLs by dialect."""
        return self.provider.base_url, self.provider.dialect, dict(self.provider.dialects)

    @property
    def spoken_dialects(self) -> tuple[Dialect, ...]:
        """The provider's dialects, its main one first."""
        return self.provider.dialect, *self.provider.dialects

    def needs_conversion(self, dialect: Dialect) -> bool:
        """Whether its answers have to be converted. As a sort key, False comes before True."""
        return dialect not in self.spoken_dialects

    def base_url_for(self, dialect: Dialect) -> str | None:
        """The provider's base URL for this dialect, or None."""
        if dialect in self.provider.dialects:
            return self.provider.dialects[dialect]
        return self.provider.base_url if dialect == self.provider.dialect else None


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A target and one of its keys; `key` is None for a provider that needs none."""

    target: Target
    key: Key | None
    key_id: KeyId = field(init=False, repr=False)
    """The key, whatever the model."""
    pair_id: PairId = field(init=False, repr=False)
    """This model of the key."""

    def __post_init__(self) -> None:
        key = self.key.id if self.key else None
        object.__setattr__(self, "key_id", (self.target.provider.name, key))
        object.__setattr__(self, "pair_id", (self.target.label, key))

    @property
    def key_label(self) -> str | None:
        """What people call the key."""
        return self.key.label if self.key else None


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every target in configured order, and the ways to find them by name."""

    targets: tuple[Target, ...]
    by_id: Mapping[str, tuple[Target, ...]] = field(repr=False)
    by_label: Mapping[str, Target] = field(repr=False)
    ids_by_last_part: Mapping[str, tuple[str, ...]] = field(repr=False)
    """The different ids with a slash, by what follows their last one: `owl-alpha` of `openrouter/owl-alpha`."""
    keys: Mapping[Target, tuple[Candidate, ...]] = field(repr=False)
    """The candidates of each target: one for each enabled key, a single keyless one where the provider has no keys at
    all.
    """

    accounts: Mapping[str, Target] = field(default_factory=dict, repr=False)
    """By provider: its account, for requests that name no model. These targets are in `keys`, and in nothing else."""
    key_labels: Mapping[KeyId, str | None] = field(default_factory=dict, repr=False)
    """What people call each enabled key."""
    providers_with_redirects: tuple[Provider, ...] = ()
    """The providers that have redirects."""
    _next_key: dict[Target, int] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Inventory":
        pairs = settings.targets()
        rates = {name: _rates(provider) for name, provider in settings.providers.items()}
        targets = tuple(
            _target(provider, model, rank, settings, rates[provider.name])
            for rank, (provider, model) in enumerate(pairs)
        )
        by_id: dict[str, tuple[Target, ...]] = {}
        for target in targets:
            by_id[target.model.id] = (*by_id.get(target.model.id, ()), target)
        by_label = {target.label: target for target in targets}
        for target in _redirect_targets(settings, rates):
            by_label.setdefault(target.label, target)
        account, last = Model(id=ACCOUNT), len(targets)
        accounts = {name: _target(each, account, last, settings) for name, each in settings.providers.items()}
        keys = {target: _candidates(target) for target in (*by_label.values(), *accounts.values())}
        return cls(
            targets=targets,
            by_id=by_id,
            by_label=by_label,
            ids_by_last_part=_ids_by_last_part(by_id),
            keys=keys,
            accounts=accounts,
            key_labels={each.key_id: each.key_label for candidates in keys.values() for each in candidates},
            providers_with_redirects=tuple(provider for provider in settings.providers.values() if provider.redirects),
        )

    def of_kind(self, kind: Kind) -> tuple[Target, ...]:
        """The targets whose models take such requests."""
        return tuple(target for target in self.targets if kind in target.model.kind)

    def keys_in_turn(self, target: Target) -> Sequence[Candidate]:
        """The target's candidates, in rotation."""
        candidates, turn = self.keys[target], self._next_key.get(target, 0)
        return (*candidates[turn:], *candidates[:turn]) if turn else candidates

    def advance_turn(self, used: Candidate) -> None:
        """The key after this one is next."""
        candidates = self.keys[used.target]
        if len(candidates) > 1:
            self._next_key[used.target] = (candidates.index(used) + 1) % len(candidates)

    def contains(self, candidate: Candidate) -> bool:
        """Whether it is in here, at the same address and with the same key. A target whose address or key has changed
        under the old name is a different one.
        """
        own = candidate.target
        target = self.by_label.get(own.label) or (
            self.accounts.get(own.provider.name) if own.model.id == ACCOUNT else None
        )
        if target is own and candidate in self.keys[own]:
            return True
        if target is None or target.addresses != own.addresses:
            return False
        return any(each.key_id == candidate.key_id for each in self.keys[target])

    def can_route(self, candidate: Candidate) -> bool:
        """Whether the configuration allows it to be chosen."""
        target = self.by_label.get(candidate.target.label)
        return target is not None and target.enabled and self.contains(candidate)

    def pair_ids(self) -> frozenset[PairId]:
        """Each target with each of its keys."""
        return frozenset(each.pair_id for keys in self.keys.values() for each in keys)

    def unchanged_targets(self, old: "Inventory") -> frozenset[str]:
        """The labels that mean the same in both."""
        both = ((target, old.by_label.get(label)) for label, target in self.by_label.items())
        return frozenset(new.label for new, before in both if before and new.addresses == before.addresses)

    def unchanged_keys(self, old: "Inventory") -> frozenset[KeyId]:
        """The keys in both, whatever they are called and wherever they stand."""
        return frozenset(self.key_labels) & frozenset(old.key_labels)

    def unchanged_providers(self, old: "Inventory") -> frozenset[str]:
        """The names of routable providers whose address is unchanged."""
        same = self.unchanged_targets(old)
        return frozenset(t.provider.name for t in self.targets if t.enabled and t.label in same)

    def key_ids(self, provider: str) -> frozenset[KeyId]:
        """All enabled keys of a provider."""
        keys = (each for target in self.targets if target.provider.name == provider for each in self.keys[target])
        return frozenset(each.key_id for each in keys)

    def has_key(self, provider: str, key: str | None) -> bool:
        """Whether a target of the provider is enabled, and the key with this id; None: the provider has no keys."""
        return any(t.enabled and t.provider.name == provider for t in self.targets) and (
            (provider, key) in self.key_ids(provider)
        )

    def routable_providers(self) -> frozenset[str]:
        """The providers with at least one routable target."""
        return frozenset(t.provider.name for t in self.targets if t.enabled and self.keys[t])


def _ids_by_last_part(ids: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for id in ids:
        _, slash, last = id.rpartition("/")
        if slash and last:
            found[last] = (*found.get(last, ()), id)
    return found


def _rates(provider: Provider) -> Mapping[str, Rates | None]:
    ids = (*(model.id for model in provider.models), *(redirect.target for redirect in provider.redirects))
    return {id: model_rates(provider, id) for id in (*ids, *provider.prices)}


def _redirect_targets(settings: Settings, rates: Mapping[str, Mapping[str, Rates | None]]) -> Iterator[Target]:
    """Names that a redirect yields without their being listed as models: nothing is known of them, and only
    requests that name them get them.
    """
    for provider in settings.providers.values():
        for redirect in provider.redirects:
            model, rank = Model(id=redirect.target), len(settings.providers)
            yield _target(provider, model, rank, settings, rates[provider.name])


def _target(
    provider: Provider, model: Model, rank: int, settings: Settings, rates: Mapping[str, Rates | None] = NO_RATES
) -> Target:
    label = f"{provider.name}/{model.id}"
    scope = label if label in settings.protection else provider.name
    return Target(provider, model, rank, label, settings.protection_of(provider.name, model.id), scope, rates)


def _candidates(target: Target) -> tuple[Candidate, ...]:
    if not target.provider.keys:
        return (Candidate(target, None),)
    return tuple(Candidate(target, key) for key in target.provider.keys if key.enabled)
