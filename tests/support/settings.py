"""Settings for tests, in one line.

Unless a test says otherwise, targets are tried in the order in which it lists them: each model gets the next rank,
and nothing but the rank counts. So a test about failing over need not care about choosing.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from pointsman import config
from pointsman.config import Settings
from pointsman.config.enums import Mode


def provider(base_url: str = "http://127.0.0.1:9/v1", *models: str, **more: Any) -> dict[str, Any]:
    """A provider's entry as a file would hold it, with one model `m` unless others are named."""
    return {"base_url": base_url, "keys": [], "models": [{"id": model} for model in models or ("m",)], **more}


LISTED = {mode: {"reliability": 0, "speed": 0, "latency": 0, "intelligence": 1} for mode in Mode}


def in_order(providers: Mapping[str, Mapping[str, Any]], **sections: Any) -> dict[str, Any]:
    """A whole configuration whose targets are ranked as they are listed."""
    ranks = count(1)
    ranked = {
        name: {**each, "models": [_ranked(model, ranks) for model in each["models"]]} if "models" in each else each
        for name, each in providers.items()
    }
    routing = sections.pop("routing", {})
    return {"providers": ranked, "routing": {"weights": LISTED, **routing}, **sections}


def settings(providers: Mapping[str, Mapping[str, Any]], **sections: Any) -> Settings:
    return config.build(in_order(providers, **sections), {})


def write(folder: Path, providers: Mapping[str, Mapping[str, Any]], **sections: Any) -> Path:
    """Writes, in one step, the file that a router started in that folder finds. It keeps no history unless told to."""
    sections.setdefault("history", {"path": "off"})
    draft = folder / "pointsman.yaml.new"
    draft.write_text(json.dumps(in_order(providers, **sections)))
    draft.chmod(0o600)
    return draft.replace(folder / "pointsman.yaml")


def _ranked(model: Any, ranks: Iterator[int]) -> Any:
    return {"intelligence": next(ranks), **model} if isinstance(model, dict) else model
