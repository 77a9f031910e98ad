"""What every program gets from its command line: the router's address, the model, a key, and the questions as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

ROUTER, MODEL, KEY, _questions = sys.argv[1:5]
QUESTIONS: list[str] = json.loads(_questions)
TIMEOUT = 110.0
"""Seconds without a byte."""
PATH_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()
