"""Where a conversation is pinned."""

from collections.abc import Mapping
from dataclasses import dataclass

from pointsman.domain.targets import KeyId


@dataclass(frozen=True, slots=True)
class Pin:
    """The target that a session prefers, and the id of the key."""

    provider: str
    model: str
    key: str | None

    @property
    def label(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"

    @property
    def key_id(self) -> KeyId:
        return self.provider, self.key

    def to_dict(self, key_labels: Mapping[KeyId, str | None]) -> dict[str, str | None]:
        """In plain JSON types, with what people call the key."""
        return {"provider": self.provider, "model": self.model, "key": key_labels.get(self.key_id)}
