"""Changing the models of providers in the text of a configuration, with its comments and its `${NAME}` left alone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pointsman.config import document
from pointsman.config.values import Tree

WIDTH = 4096
"""Characters of a line, so that none is broken."""


class EditError(Exception):
    """The file is written in a way that cannot be changed with all of it kept. The message says so."""


@dataclass(frozen=True, slots=True)
class ModelEdits:
    """For one provider: ids that become `enabled: false`, and entries that are added."""

    disable: tuple[str, ...] = ()
    add: tuple[Mapping[str, Any], ...] = ()


def edited(text: str, edits: Mapping[str, ModelEdits], known: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with the edits, by provider. A provider without a list of its own gets one: the catalog's, changed.

    Raises EditError, and ConfigError if the text is no configuration.
    """
    wanted = document.parse(text, "the configuration").tree
    for name, edit in edits.items():
        _change(_provider(wanted, name), edit, known.get(name, {}), dict, list)
    yaml = _round_trip(text)
    tree = yaml.load(document.masked(text))
    for name, edit in edits.items():
        _change(_provider(tree, name), edit, known.get(name, {}), _flow_map, CommentedSeq)
    stream = StringIO()
    yaml.dump(tree, stream)
    changed = document.unmasked(stream.getvalue())
    if document.parse(changed, "the configuration").tree != wanted:
        raise EditError(
            "the file is written in a way that cannot be changed with everything else kept; edit it by hand"
        )
    return changed


def _round_trip(text: str) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    if not re.search(r"^( *)\S.*:\n\1- ", text, re.MULTILINE):
        yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _provider(tree: Tree, name: str) -> Tree:
    providers = tree["providers"]
    if providers[name] is None:
        providers[name] = type(tree)()
    entry: Tree = providers[name]
    return entry


def _change(entry: Tree, edit: ModelEdits, known: Mapping[str, Any], mapping: Any, sequence: Any) -> None:
    models = entry.get("models")
    if models is None:
        models = entry["models"] = sequence([mapping(model) for model in known.get("models", ())])
    for model in models:
        if model.get("id") in edit.disable:
            model["enabled"] = False
    models.extend(mapping(model) for model in edit.add)


def _flow_map(model: Mapping[str, Any]) -> CommentedMap:
    """`{id: …}` on one line, with everything in it."""
    made = CommentedMap((key, _flow(value)) for key, value in model.items())
    made.fa.set_flow_style()
    return made


def _flow(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _flow_map(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        items = CommentedSeq(value)
        items.fa.set_flow_style()
        return items
    return value
