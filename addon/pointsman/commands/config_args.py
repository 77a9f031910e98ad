"""How commands find and read the configuration: as the router does."""

import argparse
import os
import sys
from pathlib import Path

from pointsman import config
from pointsman.config import ConfigError, Settings


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: the one that the router uses)")


def load_config(named: str | None) -> tuple[Path | None, Settings]:
    """The file (None if there is none) and its settings. Raises ConfigError."""
    path = config.find_file(named, os.environ, Path.cwd(), Path.home())
    return path, config.load(path, os.environ)


def print_config_error(command: str, error: ConfigError) -> int:
    """Prints the errors to stderr; returns the exit status, 1."""
    print(f"pointsman {command}: the configuration is invalid.\n{error}", file=sys.stderr)
    return 1
