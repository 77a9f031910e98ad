"""What changes in the table of cooldowns, noted for peers that share it."""

from dataclasses import dataclass, field

from pointsman.domain.targets import KeyId, PairId

type Ending = tuple[str | None, ...]
"""What ends together: `("*",)` is everything, `("p", provider)` all of a provider, `("l", label)` all of a target, and
`("K", provider, key)` all of a key.
"""
EVERYTHING: Ending = ("*",)


@dataclass(slots=True)
class CooldownChanges:
    """The changes since they were last taken. Bounded by the configured names. A value of `targets`, `keys` and `pairs`
    says whether a cooldown has ended; `refused` has the keys that were refused or accepted; `cleared` when what was
    cleared by hand (routing clock).
    """

    targets: dict[str, bool] = field(default_factory=dict)
    keys: dict[KeyId, bool] = field(default_factory=dict)
    pairs: dict[PairId, bool] = field(default_factory=dict)
    refused: set[KeyId] = field(default_factory=set)
    cleared: dict[Ending, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.targets or self.keys or self.pairs or self.refused or self.cleared)
