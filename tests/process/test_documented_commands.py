"""Every command that README.md and docs/ show is run: page by page, in order, in a scratch home and against a router
with demo providers. What cannot be run is listed, with the reason.
"""

import asyncio
import json
from pathlib import Path

import pytest

from pointsman.demo import Provider, behaviours
from support.documented_commands import PAGES, ROOT, commands_of, make_home
from support.router import running
from support.settings import provider, write
from support.time_limit import LONGEST

ADMIN = "the-admin-key"
KEY = "a-key-of-the-demo"
CLIENTS = ("claude", "codex")
REQUEST = {"model": "auto", "messages": [{"role": "user", "content": "Which track?"}]}

NOT_RUN = {
    "pointsman": "starts the router and stays; test_start.py does that",
    "./scripts/run": "the same",
    "pointsman run --workers 4": "starts routers and stays; test_workers.py does that",
}
LONG_SCRIPTS = {
    "scripts/bench": "measures for minutes; tests/scripts/test_benchmarks.py runs it briefly",
    "scripts/simulate": "simulates for minutes; tests/simulation/ runs it briefly",
    "scripts/soak": "loads the router for minutes; tests/scripts/test_soak.py runs it",
}
"""Not run either, whatever their arguments are; they have to exist."""
INSTEAD = {
    "pointsman init": ("pointsman init --yes", "asks, and there is no terminal"),
    "./scripts/run init": ("./scripts/run init --yes", "the same"),
    "pointsman setup CLIENT": ("pointsman setup codex", "CLIENT is a placeholder"),
    "pointsman setup CLIENT --write": ("pointsman setup codex --write", "the same"),
    "pointsman setup CLIENT --undo": ("pointsman setup codex --undo", "the same"),
    "pointsman completion fish | source": ("pointsman completion fish", "only fish can source a pipe"),
    "pointsman run CLIENT ARGUMENTS": ("pointsman run codex --version", "placeholders"),
}
"""What is run in the place of a command, and why."""

SHOWN = {page: [*commands_of(page.read_text(encoding="utf-8"))] for page in PAGES}
WITH_COMMANDS = [page for page, commands in SHOWN.items() if commands]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    async with Provider(behaviours.answer("The left track."), models=("demo", "llama-3.3-70b-versatile")) as demo:
        models = {"models": [{"id": model} for model in demo.models]}
        entry = provider(demo.base_url) | models | {"keys": [KEY]}
        names = ("groq", "openai")
        sections = {"server": {"admin_key": ADMIN}, "history": {"path": str(tmp_path / "history.db")}}
        async with running(tmp_path, dict.fromkeys(names, entry), **sections) as router:
            home = tmp_path / "home"
            home.mkdir()
            environment = make_home(home, f"{router.host}:{router.port}", CLIENTS)
            environment |= {"POINTSMAN_SERVER__ADMIN_KEY": ADMIN, "GROQ_API_KEY": KEY}
            (home / "request.json").write_text(json.dumps(REQUEST))
            (home / "requests.jsonl").write_text("{}\n")
            if not any("init" in command.split() for command in SHOWN[page]):
                (home / ".pointsman").mkdir(mode=0o700)
                write(home / ".pointsman", {"groq": entry})
            for command in SHOWN[page]:
                await run(command, home, environment)


async def run(command: str, home: Path, environment: dict[str, str]) -> None:
    """Runs a command as shown, or what stands for it. Fails unless its exit status is 0."""
    script = command.split()[0].removeprefix("./")
    if command in NOT_RUN or script in LONG_SCRIPTS:
        assert script == "pointsman" or (ROOT / script).is_file()
        return
    if command.startswith("export "):
        name, _, value = command.removeprefix("export ").partition("=")
        environment[name] = KEY if value == "…" else value
        return
    command = INSTEAD.get(command, (command, ""))[0]
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=home, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LONGEST):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"$ {command}\n{printed.decode()}"


def test_what_is_not_run_is_still_shown() -> None:
    shown = {command for commands in SHOWN.values() for command in commands}
    assert {*NOT_RUN, *INSTEAD} <= shown
    assert set(LONG_SCRIPTS) <= {command.split()[0].removeprefix("./") for command in shown}


def test_commands_are_found_in_both_kinds_of_code_blocks() -> None:
    page = """
Run `pointsman status`:

    pointsman setup codex   # prints the settings
    curl -i http://127.0.0.1:8080/ \\
      -H 'a: b'

```console
$ pointsman explain request.json
place  candidate
```

```yaml
    curl: not a command
```
"""
    assert [*commands_of(page)] == [
        "pointsman setup codex",
        "curl -i http://127.0.0.1:8080/ -H 'a: b'",
        "pointsman explain request.json",
    ]
