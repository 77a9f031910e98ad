"""Settings for tests, in one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointsman import config
from pointsman.config import Settings


def provider(base_url: str = "http://127.0.0.1:9/v1", *models: str, **more: Any) -> dict[str, Any]:
    """A provider's entry as a file would hold it, with one model `m` unless others are named."""
    return {"base_url": base_url, "keys": [], "models": [{"id": model} for model in models or ("m",)], **more}


def settings(providers: Mapping[str, Mapping[str, Any]], **sections: Any) -> Settings:
    return config.build({"providers": dict(providers), **sections}, {})


def write(folder: Path, providers: Mapping[str, Mapping[str, Any]], **sections: Any) -> Path:
    """Writes, in one step, the file that a router started in that folder finds. It keeps no history unless told to."""
    sections.setdefault("history", {"path": "off"})
    draft = folder / "pointsman.yaml.new"
    draft.write_text(json.dumps({"providers": dict(providers), **sections}))
    return draft.replace(folder / "pointsman.yaml")
