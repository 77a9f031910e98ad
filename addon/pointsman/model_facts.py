"""What models take and refuse: `model_facts.yaml`, read once, by the name that is sent to a provider.

>>> facts_of("openai/o3-mini").limit_name
'max_completion_tokens'
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from pointsman import data_file
from pointsman.config.base_model import ConfigModel

FILE = Path(__file__).with_name("model_facts.yaml")
MATCH = re.compile(r'match:\s*\[?((?:[\s,-]*"[^"]*")+)')
QUOTED = re.compile(r'"([^"]*)"')
"""The patterns of a row are quoted, as a list in one line or in several."""
MAX_NAMES = 1024
"""Names of models whose facts are kept at hand."""

Parameter = Literal[
    "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "logit_bias", "seed",
    "parallel_tool_calls", "forced_tool",
]  # fmt: skip
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Budget(NamedTuple):
    """Tokens of thinking."""

    least: int
    most: int


class ModelFacts(ConfigModel):
    """See the head of the file. What is absent is not known, and changes no request."""

    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_output: Annotated[int, Field(gt=0)] | None = None
    thinking: Literal["effort", "budget", "adaptive", "level", "none"] | None = None
    efforts: tuple[Effort, ...] = ()
    budget: Budget | None = None
    always_thinks: bool = False
    thinks_by_default: bool = False
    refuses: tuple[Parameter, ...] = ()
    refuses_when_thinking: tuple[Parameter, ...] = ()
    exclusive: tuple[tuple[Parameter, ...], ...] = ()
    max_temperature: float | None = None
    system_role: Literal["system", "developer", "user"] = "system"
    prefill: bool | None = None
    call_id_length: int | None = None
    allowed_tools: bool = False
    validates_calls: bool = False
    cache_marks: bool = False

    @property
    def can_think(self) -> bool:
        """It is known to take a setting for how much to think."""
        return self.thinking not in (None, "none")


class Row(NamedTuple):
    """`text` is its item in the file."""

    match: tuple[str, ...]
    text: str

    @property
    def facts(self) -> Mapping[str, Any]:
        """Raises ValueError if they are not as the head of the file says."""
        written = {name: value for name, value in data_file.item(self.text).items() if name != "match"}
        ModelFacts.model_validate(written)
        return written


@cache
def rows() -> tuple[Row, ...]:
    """The rows of the file, in order; their patterns are read, their facts when they are asked for."""
    return tuple(Row(_patterns(text), text) for text in data_file.items(FILE))


def _patterns(row: str) -> tuple[str, ...]:
    found = MATCH.search(row)
    if found is None:
        raise ValueError(f"{FILE}: a row without quoted patterns: {row}")
    return tuple(QUOTED.findall(found[1]))


@lru_cache(MAX_NAMES)
def facts_of(model: str) -> ModelFacts:
    """The facts of a model by the name that is sent to its provider."""
    name = model.rpartition("/")[2].lower()
    known: dict[str, Any] = {}
    for row in rows():
        if any(fnmatchcase(name, pattern) for pattern in row.match):
            known |= row.facts
    return ModelFacts.model_validate(known)
