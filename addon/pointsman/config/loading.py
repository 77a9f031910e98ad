"""From a file and the environment to `Settings`, or to every fault at once."""

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pointsman import catalog
from pointsman.config import document, environment, protection
from pointsman.config.advice import advice
from pointsman.config.faults import ConfigError, Found, once_each, translated
from pointsman.config.inheritance import inherit, settled
from pointsman.config.rules import broken_rules, no_providers
from pointsman.config.settings import Sections, Settings
from pointsman.config.values import Tree
from pointsman.config.words import Level

OPTION = "pointsman_config"
VARIABLE = "POINTSMAN_CONFIG"


def find(option: str | None, env: Mapping[str, str], cwd: Path, home: Path) -> Path | None:
    """The file to load: the one named by the option or by POINTSMAN_CONFIG, else the first usual one that exists, else None.

    Raises ConfigError when the one that is named does not exist.
    """
    for source, named in ((OPTION, option), (VARIABLE, env.get(VARIABLE))):
        if named:
            path = cwd / (home / named[2:] if named.startswith("~/") else named)
            if not os.path.exists(path):
                problem = f"names {path}, which does not exist or cannot be reached; create it, or name another file"
                raise ConfigError([Found(source, problem)])
            return path
    usual = (cwd / "pointsman.yaml", home / ".pointsman" / "pointsman.yaml")
    return next((path for path in usual if os.path.exists(path)), None)


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """The configuration in `path`; without one the defaults, with no providers. The environment counts either way.

    Raises ConfigError with all faults.
    """
    if path is None:
        return build({}, env)
    tree, faults = document.read(path)
    return build(tree, env, [*faults, *no_providers(tree)])


def build(tree: Tree, env: Mapping[str, str], faults: Iterable[Found] = ()) -> Settings:
    """`Settings` from what a file would hold. `faults` are those known before. Raises ConfigError with all of them."""
    tree = copy.deepcopy(tree)
    known = catalog.known()
    found = [*faults, *_written_names(tree)]
    found += environment.override(tree, env, _all_names(tree))
    inherit(tree, known)
    references = environment.References(env)
    tree = references.filled(tree)
    found += [*references.faults, *broken_rules(tree, known)]
    try:
        sections = Sections.model_validate(_named(tree))
    except ValidationError as error:
        raise ConfigError(once_each([*found, *translated(error, tree)])) from None
    if found:
        raise ConfigError(once_each(found))
    return _settings(sections, env)
