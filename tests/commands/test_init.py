"""`pointsman init`, as a new user runs it: with an empty home."""

import asyncio
import io
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import aiohttp
import pytest

from pointsman import cli, config
from pointsman.commands import init
from pointsman.config import document
from pointsman.demo import Provider, behaviours
from pointsman.overrides import OverrideStore
from support.model_servers import listed, model_server
from support.ports import free_port
from support.process import ROOT, Process
from support.time_limit import LONGEST

LOCAL = ("ollama", "lmstudio", "vllm", "llamacpp", "jan")


@dataclass(frozen=True)
class Ended:
    status: int
    out: str


@dataclass(frozen=True)
class Newcomer:
    """A user with an empty home, no variables but those given, and no servers but those at `ports`."""

    home: Path

    @property
    def file(self) -> Path:
        return self.home / ".pointsman" / "pointsman.yaml"

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        (self.home / "bin").mkdir(exist_ok=True)
        return {"HOME": str(self.home), "PATH": str(self.home / "bin"), "PYTHONPATH": str(ROOT / "addon"), **env}

    @staticmethod
    def command(arguments: tuple[str, ...], ports: Mapping[str, int]) -> list[str]:
        named = [f"--port={name}={ports.get(name) or free_port()}" for name in LOCAL]
        return [sys.executable, "-m", "pointsman", "init", *arguments, *named]

    async def init(self, *arguments: str, ports: Mapping[str, int] = {}, **env: str) -> Ended:
        """Without a terminal, in this process."""
        out = io.StringIO()

        def call() -> int:
            with (
                patch.dict(os.environ, self.environment(env), clear=True),
                patch.object(sys, "stdin", io.StringIO()),
                chdir(self.home),
                redirect_stdout(out),
                redirect_stderr(out),
            ):
                try:
                    return cli.main(self.command(arguments, ports)[3:])
                except SystemExit as ended:  # of its parser
                    return int(ended.code or 0)

        return Ended(await asyncio.to_thread(call), out.getvalue())

    async def init_process(self, *arguments: str, ports: Mapping[str, int] = {}, **env: str) -> Ended:
        """The same in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *self.command(arguments, ports),
            cwd=self.home,
            env=self.environment(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(LONGEST):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode())

    async def init_at_terminal(self, *answers: str, ports: Mapping[str, int] = {}, **env: str) -> Ended:
        """Types an answer at each question."""
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *self.command((), ports),
            cwd=self.home,
            env=self.environment(env),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            async with asyncio.timeout(LONGEST):
                out = await self._converse(ours, list(answers))
                return Ended(await process.wait(), out)
        finally:
            os.close(ours)

    async def _converse(self, terminal: int, answers: list[str]) -> str:
        loop, out = asyncio.get_running_loop(), ""
        asked = 0
        with suppress(OSError):  # which is how a terminal says that its other end is closed
            while piece := await loop.run_in_executor(None, os.read, terminal, 4096):
                out += piece.decode()
                while answers and len(re.findall(r"\[(?:Y/n|y/N)\] ", out)) > asked:
                    asked += 1
                    os.write(terminal, f"{answers.pop(0)}\n".encode())
        return out

    def settings(self, **env: str) -> config.Settings:
        return config.load(self.file, env)


@pytest.fixture
def user(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


@asynccontextmanager
async def ollama(*models: str) -> AsyncIterator[tuple[Provider, dict[str, int]]]:
    async with Provider(behaviours.answer("Hello from here."), models=models or ("qwen3:8b",)) as server:
        yield server, {"ollama": int(server.base_url.split(":")[2].removesuffix("/v1"))}


async def test_keys_and_a_server_become_a_file_that_works(user: Newcomer) -> None:
    async with (
        ollama("qwen3:8b", "nomic-embed-text") as (local, ports),
        model_server(listed("llama-3.3-70b-versatile"), keys=["secret-g"]) as groq,
    ):
        env = {
            "GROQ_API_KEY": "secret-g",
            "MISTRAL_API_KEY": "secret-m",
            "POINTSMAN_PROVIDERS__GROQ__BASE_URL": f"http://127.0.0.1:{groq}/v1",
            "POINTSMAN_PROVIDERS__MISTRAL__BASE_URL": f"http://127.0.0.1:{groq}/v1",
        }
        ended = await user.init_process("--yes", ports=ports, **env)
        assert ended.status == 0, ended.out
        text = user.file.read_text()
        assert "secret-" not in ended.out + text
        assert user.file.stat().st_mode & 0o777 == 0o600
        settings = user.settings(**env)
        assert settings.warnings == ()
        assert [name for name, each in settings.providers.items() if each.enabled] == ["groq", "ollama"]
        assert "mistral: it rejects the key" in ended.out
        assert f"{user.file} is valid." in ended.out
        assert re.search(r"^ok +groq key-1", ended.out, re.MULTILINE)
        assert "Keep in the environment of the router: GROQ_API_KEY" in ended.out
        assert await answers(user, env, "ollama/qwen3:8b") == ["Hello from here."]
        assert [model.id for model in settings.providers["ollama"].models] == ["qwen3:8b", "nomic-embed-text"]
        assert local.seen[-1].fields["model"] == "qwen3:8b"


async def test_a_server_alone_serves_any_mode(user: Newcomer) -> None:
    async with ollama() as (_, ports):
        ended = await user.init("--yes", ports=ports)
        assert ended.status == 0, ended.out
        assert user.settings().warnings == ()
        models = ("auto", "auto-smart", "gpt-4o")
        assert await answers(user, {}, *models) == ["Hello from here."] * len(models)


async def answers(user: Newcomer, env: Mapping[str, str], *models: str) -> list[str]:
    """What a chat with each model gets from a router that is started as the new user would."""
    command = [sys.executable, "-m", "pointsman", "dump", "--listen-port", str(free_port())]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=user.home,
        env={**user.environment(env), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    router = Process(process)
    try:
        url = await router.base_url()
        async with aiohttp.ClientSession() as client:
            return [await _answer(client, url, model) for model in models]
    finally:
        process.terminate()
        await router.ends()


async def _answer(client: aiohttp.ClientSession, url: str, model: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello?"}]}
    async with client.post(f"{url}/chat/completions", json=body) as response:
        told = await response.json()
        assert response.status == 200, told
        return str(told["choices"][0]["message"]["content"])


async def test_without_anything_it_says_what_to_do_and_writes_nothing(user: Newcomer) -> None:
    ended = await user.init("--yes")
    assert ended.status == 1
    assert "No API key and no model server was found" in ended.out
    assert "export GROQ_API_KEY=" in ended.out
    assert not user.file.exists()


@pytest.mark.parametrize("place", ["home", "folder", "variable", "path", "link"])
async def test_an_existing_file_is_left_alone(user: Newcomer, place: str) -> None:
    """Also one that the router would use before the one in the home directory."""
    other = user.home / "other.yaml"
    path = {"home": user.file, "folder": user.home / "pointsman.yaml"}.get(place, other)
    path.parent.mkdir(exist_ok=True)
    if place == "link":
        path.symlink_to(user.home / "nowhere")
    else:
        path.write_text("# mine\n")
    env = {"POINTSMAN_CONFIG": str(other)} if place == "variable" else {}
    more = ("--path", str(other)) if place in ("path", "link") else ()
    ended = await user.init("--yes", *more, **env)
    assert ended.status == 1
    assert f"{path} exists, and was left alone" in ended.out
    assert "--force" in ended.out
    assert place == "link" or path.read_text() == "# mine\n"


async def test_force_keeps_a_backup(user: Newcomer) -> None:
    user.file.parent.mkdir(mode=0o700)
    user.file.write_text("# mine\n")
    async with ollama() as (_, ports):
        ended = await user.init("--yes", "--force", ports=ports)
    assert ended.status == 0, ended.out
    assert (user.file.parent / "pointsman.yaml.backup-1").read_text() == "# mine\n"
    assert "The former file is pointsman.yaml.backup-1." in ended.out
    assert "ollama" in user.settings().providers


async def test_another_path_says_how_the_router_finds_it(user: Newcomer) -> None:
    async with ollama() as (_, ports):
        ended = await user.init("--yes", "--path", "mine.yaml", ports=ports)
        assert ended.status == 0, ended.out
        assert f"POINTSMAN_CONFIG={user.home}/mine.yaml pointsman" in ended.out
        nowhere = await user.init("--yes", "--path", "no/such/mine.yaml", ports=ports)
    assert nowhere.status == 1
    assert "could not be written" in nowhere.out
    assert "Traceback" not in nowhere.out


async def test_without_a_terminal_nothing_is_written_unasked(user: Newcomer) -> None:
    async with ollama() as (_, ports):
        ended = await user.init(ports=ports)
    assert ended.status == 1
    assert "Give --yes to write without being asked." in ended.out
    assert not user.file.exists()


def leave_key(home: Path) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "auth.json").write_text(json.dumps({"OPENAI_API_KEY": "secret-codex-1"}))


@pytest.mark.parametrize("more", [("--yes",), ()])
async def test_files_of_other_tools_are_not_read_unasked(user: Newcomer, more: tuple[str, ...]) -> None:
    leave_key(user.home)
    ended = await user.init(*more, "--no-check")
    assert ended.status == 1
    assert "openai" not in ended.out.split("No API key")[0]
    assert not user.file.exists()


async def test_a_key_of_another_tools_file_is_stored_encrypted(user: Newcomer) -> None:
    leave_key(user.home)
    async with model_server(listed("gpt-4.1"), keys=["secret-codex-1"]) as port:
        env = {"POINTSMAN_PROVIDERS__OPENAI__BASE_URL": f"http://127.0.0.1:{port}/v1"}
        ended = await user.init_process("--yes", "--read-files", **env)
    assert ended.status == 0, ended.out
    assert re.search(r"^ok +openai from Codex", ended.out, re.MULTILINE), ended.out
    folder = user.file.parent
    assert all(b"secret-codex" not in file.read_bytes() for file in folder.iterdir())
    [key] = OverrideStore(folder).load().added
    assert (key.provider, key.label, key.value) == ("openai", "from Codex", "secret-codex-1")
    again = await user.init_process("--yes", "--read-files", "--force", "--no-check", **env)
    assert again.status == 0, again.out
    assert len(OverrideStore(folder).load().added) == 1


async def test_at_a_terminal_it_asks_before_it_reads_and_before_it_writes(user: Newcomer) -> None:
    leave_key(user.home)
    async with ollama() as (_, ports):
        refused = await user.init_at_terminal("", "n", ports=ports)
        assert refused.status == 1
        assert "Read API keys in" in refused.out
        assert "Nothing was written." in refused.out
        assert not user.file.exists()
        agreed = await user.init_at_terminal("n", "", ports=ports)
        assert agreed.status == 0, agreed.out
        assert list(user.settings().providers) == ["ollama"]
        assert not (user.file.parent / "overrides.json").exists()


async def test_a_terminal_may_agree_to_read(user: Newcomer) -> None:
    leave_key(user.home)
    async with model_server(listed("gpt-4.1"), keys=["secret-codex-1"]) as port:
        env = {"POINTSMAN_PROVIDERS__OPENAI__BASE_URL": f"http://127.0.0.1:{port}/v1"}
        ended = await user.init_at_terminal("y", "y", **env)
    assert ended.status == 0, ended.out
    assert "secret-codex" not in ended.out
    assert len(OverrideStore(user.file.parent).load().added) == 1


async def test_no_check_contacts_no_provider(user: Newcomer) -> None:
    async with Provider(behaviours.answer("x")) as groq:
        env = {"GROQ_API_KEY": "g", "POINTSMAN_PROVIDERS__GROQ__BASE_URL": groq.base_url}
        ended = await user.init("--yes", "--no-check", **env)
        assert ended.status == 0, ended.out
        assert groq.accepted == 0


async def test_a_file_of_which_nothing_can_be_used_is_a_failure_that_says_so(user: Newcomer) -> None:
    async with model_server({}, 401) as port:
        env = {"GROQ_API_KEY": "g", "POINTSMAN_PROVIDERS__GROQ__BASE_URL": f"http://127.0.0.1:{port}/v1"}
        ended = await user.init("--yes", **env)
    assert ended.status == 1
    assert "No provider in it can be used yet" in ended.out
    assert "enabled: false" in user.file.read_text()


async def test_the_clients_that_are_here_are_named_with_what_to_do(user: Newcomer) -> None:
    user.environment({})
    (user.home / "bin" / "claude").touch(mode=0o755)
    (user.home / ".continue").mkdir()
    async with ollama() as (_, ports):
        ended = await user.init("--yes", ports=ports)
    assert re.search(r"Claude Code +pointsman run claude-code", ended.out), ended.out
    assert re.search(r"Continue +pointsman (run|setup) continue", ended.out), ended.out
    assert "aider" not in ended.out


async def test_the_environments_own_settings_are_checked(user: Newcomer) -> None:
    async with ollama() as (_, ports):
        ended = await user.init("--yes", ports=ports, POINTSMAN_STREAM__STAL="5s")
    assert ended.status == 1
    assert "POINTSMAN_STREAM__STAL: matches no key of stream" in ended.out
    assert not user.file.exists()


@pytest.mark.parametrize("port", ["ollama", "ollama=x", "emacs=7", "ollama=70000", "ollama=0"])
async def test_a_port_that_is_none_is_refused(user: Newcomer, port: str) -> None:
    ended = await user.init("--yes", "--port", port)
    assert ended.status == 2
    assert "NAME=PORT" in ended.out


def test_the_documentation_has_every_option_and_its_example_is_valid() -> None:
    page = (ROOT / "docs" / "first-steps.md").read_text()
    with pytest.raises(SystemExit), redirect_stdout(io.StringIO()) as usage:
        init.main(["--help"])
    for option in set(re.findall(r"--[a-z-]+", usage.getvalue())) - {"--help"}:
        assert f"`{option}" in page
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example
    tree = document.parse(example[1], "first-steps.md").tree
    assert config.build(tree, {"GROQ_API_KEY": "g"}).warnings == ()
