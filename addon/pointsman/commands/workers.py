"""`--workers N` of `pointsman web`, `dump` and `run`: several router processes on one port, which act as one."""

import sys
from collections.abc import Callable

from pointsman.commands.config_args import load_config, print_config_error
from pointsman.config import ConfigError
from pointsman.workers import supervisor
from pointsman.workers.arguments import WorkerArguments, WrongArguments, config_named, listening, workers_of


def main(command: str, arguments: list[str], start_one: Callable[[list[str]], int]) -> int:
    """Returns the exit status."""
    try:
        workers, given = workers_of(arguments)
        if workers == 1:
            return start_one(given)
        host, port = listening(given)
        settings = load_config(config_named(given))[1]
    except WrongArguments as error:
        print(f"pointsman {command}: {error}", file=sys.stderr)
        return 2
    except ConfigError as error:
        return print_config_error(command, error)
    url = settings.shared.url.get_secret_value() if settings.shared.url else None
    return supervisor.run(WorkerArguments(workers, command, tuple(given), host, port, url))
