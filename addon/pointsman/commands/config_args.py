"""How commands find and read the configuration: as the router would."""

import argparse
import os
import sys
from pathlib import Path

from pointsman import config
from pointsman.config import ConfigError, Settings


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="configuration file (default: the one the router would use)")


def load_config(named: str | None) -> tuple[Path | None, Settings]:
    """The file, None where there is none, and what it says. Raises ConfigError."""
    path = config.find_file(named, os.environ, Path.cwd(), Path.home())
    return path, config.load(path, os.environ)


def print_config_error(command: str, error: ConfigError) -> int:
    """Tells what is at fault; returns the command's status."""
    print(f"pointsman {command}: the configuration is invalid.\n{error}", file=sys.stderr)
    return 1
