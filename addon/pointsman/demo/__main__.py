"""One provider as a process of its own, until a signal ends it: `python -m pointsman.demo --script answer:hi`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Sequence

from pointsman.demo import behaviours
from pointsman.demo.script import Behaviour, Script, rotation
from pointsman.demo.server import Provider

KEEP = 64
"""Requests remembered."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    script: Script = rotation(*options.script) if options.rotate else options.script
    models = options.model or ["demo"]
    provider = Provider(script, name=options.name, models=models, host=options.host, port=options.port, keep=KEEP)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(provider))


async def _run(provider: Provider) -> None:
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            loop.add_signal_handler(number, signalled.set)
    async with provider:
        print(provider.base_url, flush=True)
        await signalled.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pointsman.demo",
        description="Runs one demo provider and prints its base URL.",
        epilog=f"Specs: {', '.join(behaviours.NAMES)}. Example: 'answer:hello world,pace=0.05|compressed:gzip'.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--name", default="demo")
    parser.add_argument("--model", action="append", help="a model it lists; may be repeated")
    parser.add_argument(
        "--script",
        type=_spec,
        action="append",
        required=True,
        help="a spec; repeated: one per request, the last repeats",
    )
    parser.add_argument("--rotate", action="store_true", help="start over after the last spec")
    return parser


def _spec(text: str) -> Behaviour:
    try:
        return behaviours.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
