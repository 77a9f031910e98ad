"""Other routers of LLM traffic that run on the same machine: where they are, their versions, and how they are started.

This project does not depend on them. Each gets one OpenAI-compatible provider and as few features as it can do with: no
database, no authentication, no logs, one worker.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.scenarios.streams import MODEL
from benchmarks.testbed import Server, Testbed

PLACES = ("bin", "node_modules/.bin", "*/bin", "*/node_modules/.bin")
"""Where programs are in a folder of a peer, or in one that holds such folders."""
PORTKEY_INSTALL = (  # with a later server, streams fail with "TypeError: immutable"
    """mkdir -p peers/portkey && echo '{"overrides": {"@hono/node-server": "1.14.1"}}' > peers/portkey/package.json"""
    " && npm install --prefix peers/portkey @portkey-ai/gateway"
)
ASK_VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


def litellm(program: str, port: int, provider: Server, folder: Path) -> Sequence[str]:
    upstream = {"model": f"openai/{MODEL}", "api_base": f"{provider.url}/v1", "api_key": "bench-key"}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": upstream}]}))  # JSON is YAML
    listen = ("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return (program, "--config", str(config), *listen, "--telemetry", "False")


def portkey(program: str, port: int, provider: Server, folder: Path) -> Sequence[str]:
    return (program, "--headless", f"--port={port}")


def portkey_headers(provider: Server) -> Mapping[str, str]:
    return {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{provider.url}/v1",
        "authorization": "Bearer bench-key",
    }


def vllm_router(program: str, port: int, provider: Server, folder: Path) -> Sequence[str]:
    listen = ("--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(processes.free_port()))
    return (program, *listen, "--worker-urls", provider.url, "--policy", "round_robin", "--log-level", "error")


@dataclass(frozen=True, slots=True)
class Peer:
    """`command(program, port, provider, folder)` is its command line; its files belong into `folder`.
    `headers(provider)` are what its clients send beside the usual ones. `install` is a shell command that installs it
    into a folder that `--peers` can name.
    """

    name: str
    package: str
    program: str
    command: Callable[[str, int, Server, Path], Sequence[str]]
    install: str
    headers: Callable[[Server], Mapping[str, str]] = lambda _: {}
    environment: Mapping[str, str] = field(default_factory=dict)


PEERS = (
    Peer(
        "Portkey",
        "@portkey-ai/gateway",
        "gateway",
        portkey,
        PORTKEY_INSTALL,
        portkey_headers,
        {"NODE_ENV": "production"},
    ),
    Peer(
        "vllm-router",
        "vllm-router",
        "vllm-router",
        vllm_router,
        "python3 -m venv peers/vllm && peers/vllm/bin/pip install vllm-router",
    ),
    Peer(
        "LiteLLM",
        "litellm",
        "litellm",
        litellm,
        "python3 -m venv peers/litellm && peers/litellm/bin/pip install 'litellm[proxy]'",
        environment={
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network for prices at each start
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # else it does not start without a key
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Installed:
    """A peer that is on this machine."""

    peer: Peer
    program: Path
    version: str

    async def start(self, bed: Testbed, provider: Server, waits: bool = True) -> Server:
        """`waits` until it listens; it may not answer yet."""
        port = processes.free_port()
        command = self.peer.command(str(self.program), port, provider, bed.folder)
        return await bed.program(self.peer.name, command, port, waits, **self.peer.environment)


def installed(folders: Iterable[Path]) -> Iterator[Installed]:
    """Those in these folders, or in folders of theirs, or else on PATH."""
    for peer in PEERS:
        places = [place for folder in folders for pattern in PLACES for place in sorted(folder.resolve().glob(pattern))]
        for program in _programs(peer.program, places):
            if (found := _version(peer.package, program)) is not None:
                yield Installed(peer, program, found)
                break


def _programs(name: str, places: Sequence[Path]) -> Iterator[Path]:
    for path in (*map(str, places), None):  # None: PATH
        if program := shutil.which(name, path=path):
            yield Path(program)


def _version(package: str, program: Path) -> str | None:
    """None if the program is not of this package: `gateway` is what others may be called too."""
    target = program.resolve()
    for folder in target.parents:
        if folder.as_posix().endswith(f"node_modules/{package}"):
            found: str = json.loads((folder / "package.json").read_text())["version"]
            return found
    python = target.with_name("python")
    if not python.exists():
        return None
    asked = subprocess.run([python, "-c", ASK_VERSION, package], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None
