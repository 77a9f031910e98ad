"""The text of a new configuration file, with its comments."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.onboarding.draft import Draft, ProviderDraft

HEAD = """\
# Pointsman's configuration, written by `pointsman init`. Edit it as you like: a running router reads it again.
#
# Keys come from the environment: ${NAME} is the variable NAME where the router is started. What is not written here has
# its default, or what the catalog knows of a provider. All settings: docs/configuration.md. To check: pointsman check
"""
TAIL = """\

# Only this machine is served without a client key. With one, others are served too:
# server:
#   client_key: ${POINTSMAN_KEY}
"""
UNKNOWN = "model names that no provider has, such as gpt-4o, stand for a mode"
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
"""Text that YAML takes as it stands, also within `[…]` and `{…}`."""
WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
REFERENCE = re.compile(r"\$\{\w+\}")


def config_text(draft: Draft) -> str:
    """What `document.parse` reads as `draft.tree`."""
    lines = [HEAD, "routing:"]
    lines += [f"  {name}: {_value(value)}  # {UNKNOWN}" for name, value in draft.tree["routing"].items()]
    lines += ["", "providers:"]
    for each in draft.providers:
        lines += _provider(each)
    return "\n".join(lines) + "\n" + TAIL


def _provider(draft: ProviderDraft) -> Iterator[str]:
    comment = f"  # {draft.comment}" if draft.comment else ""
    empty = "" if draft.entry else " {}"
    yield f"  {draft.name}:{empty}{comment}"
    for key in draft.stored:
        yield f"    # its key from {key.file} ({key.tool}) is stored encrypted, see the dashboard"
    for name, value in draft.entry.items():
        if name == "models" and value:
            yield "    models:"
            yield from (f"      - {_value(model)}" for model in value)
        else:
            yield f"    {name}: {_value(value)}"


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            is_plain = PLAIN.fullmatch(value) and value.lower() not in WORDS
            return value if is_plain or REFERENCE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{" + ", ".join(f"{name}: {_value(inner)}" for name, inner in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return str(value)
