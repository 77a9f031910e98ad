"""Coding agents of the command line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from client_runs.client import KEY, MAIN_MODEL, SMALL_MODEL, Client, Place, has_tools
from client_runs.installing import npm, pypi
from pointsman.config.enums import Dialect


def claude_settings(place: Place) -> Mapping[str, str]:
    models = {f"ANTHROPIC_DEFAULT_{tier}_MODEL": MAIN_MODEL for tier in ("OPUS", "SONNET")}
    return {
        "ANTHROPIC_BASE_URL": place.router,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": MAIN_MODEL,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": SMALL_MODEL,
        **models,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_TELEMETRY": "1",
    }


def claude_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    more = ["--continue"] if is_continued else []
    return [place.program("claude"), "-p", *questions, *more, "--allowedTools", "Read"]


def codex_settings(place: Place) -> Mapping[str, str]:
    place.write(
        ".codex/config.toml",
        f"""\
model = "{MAIN_MODEL}"
model_provider = "pointsman"
check_for_update_on_startup = false

[model_providers.pointsman]
name = "Pointsman"
base_url = "{place.router}/v1"
env_key = "POINTSMAN_KEY"
wire_api = "responses"

[analytics]
enabled = false
""",
    )
    return {"POINTSMAN_KEY": KEY}


def codex_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    free = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    more = ["resume", "--last"] if is_continued else []
    return [place.program("codex"), "exec", *more, *free, *questions]


def opencode_settings(place: Place) -> Mapping[str, str]:
    limits = {"limit": {"context": 128000, "output": 8192}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Pointsman",
        "options": {"baseURL": f"{place.router}/v1", "apiKey": KEY},
        "models": {name: {"name": name, **limits} for name in (MAIN_MODEL, SMALL_MODEL)},
    }
    place.write(
        ".config/opencode/opencode.json",
        {
            "provider": {"pointsman": provider},
            "model": f"pointsman/{MAIN_MODEL}",
            "small_model": f"pointsman/{SMALL_MODEL}",
            "share": "disabled",
            "autoupdate": False,
        },
    )
    return {f"OPENCODE_DISABLE_{each}": "1" for each in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD")}


def opencode_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    return [place.program("opencode"), "run", *(["--continue"] if is_continued else []), *questions]


def continue_settings(place: Place) -> Mapping[str, str]:
    place.write(
        "continue.yaml",
        f"""\
name: pointsman
version: 1.0.0
schema: v1
models:
  - name: Pointsman
    provider: openai
    model: {MAIN_MODEL}
    apiBase: {place.router}/v1
    apiKey: {KEY}
    roles: [chat, edit, apply]
    capabilities: [tool_use]
""",
    )
    return {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_CLI_ENABLE_TELEMETRY": "0"}


def continue_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    config = ["--config", str(place.home / "continue.yaml")]
    return [place.program("cn"), *config, "--auto", *(["--resume"] if is_continued else []), "-p", *questions]


def gemini_settings(place: Place) -> Mapping[str, str]:
    place.write(
        ".gemini/settings.json",
        {
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"disableAutoUpdate": True},
        },
    )
    return {"GOOGLE_GEMINI_BASE_URL": place.router, "GEMINI_API_KEY": KEY, "GEMINI_TELEMETRY_ENABLED": "false"}


def gemini_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    more = ["--resume", "latest"] if is_continued else []
    return [place.program("gemini"), "--model", MAIN_MODEL, "--skip-trust", "--yolo", *more, "--prompt", *questions]


def qwen_settings(place: Place) -> Mapping[str, str]:
    place.write(
        ".qwen/settings.json",
        {
            "security": {"auth": {"selectedType": "openai"}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"disableAutoUpdate": True},
        },
    )
    return {"OPENAI_BASE_URL": f"{place.router}/v1", "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MAIN_MODEL}


def qwen_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    return [place.program("qwen"), "--yolo", *(["--continue"] if is_continued else []), "--prompt", *questions]


def cline_settings(place: Place) -> Mapping[str, str]:
    provider = {"provider": "openai-compatible", "apiKey": KEY, "model": MAIN_MODEL, "baseUrl": f"{place.router}/v1"}
    entry = {"settings": provider, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
    place.write(
        ".cline/data/settings/providers.json",
        {"version": 1, "lastUsedProvider": "openai-compatible", "providers": {"openai-compatible": entry}},
    )
    return {"CLINE_TELEMETRY_DISABLED": "1"}


def cline_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    model = ["--provider", "openai-compatible", "--model", MAIN_MODEL]
    return [place.program("cline"), *model, *questions]


def pi_settings(place: Place) -> Mapping[str, str]:
    provider = {
        "baseUrl": f"{place.router}/v1",
        "api": "openai-completions",
        "apiKey": KEY,
        "models": [{"id": MAIN_MODEL}],
    }
    place.write(".pi/agent/models.json", {"providers": {"pointsman": provider}})
    return {"PI_OFFLINE": "1", "PI_TELEMETRY": "0"}


def pi_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    model = ["--provider", "pointsman", "--model", MAIN_MODEL]
    return [place.program("pi"), *model, *(["--continue"] if is_continued else []), "-p", *questions]


def aider_settings(place: Place) -> Mapping[str, str]:
    return {
        "OPENAI_API_BASE": f"{place.router}/v1",
        "OPENAI_API_KEY": KEY,
        "AIDER_ANALYTICS": "false",
        "AIDER_CHECK_UPDATE": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def aider_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    plain = ["--no-git", "--no-pretty", "--no-fancy-input", "--no-show-release-notes", "--no-show-model-warnings"]
    more = ["--restore-chat-history"] if is_continued else []
    return [place.program("aider"), "--model", f"openai/{MAIN_MODEL}", "--yes-always", *plain, *more]


def path_in(name: str) -> Callable[[Path], Mapping[str, object]]:
    """The arguments of a tool that takes a path."""
    return lambda path: {name: str(path)}


def shell(name: str) -> Callable[[Path], Mapping[str, object]]:
    """The arguments of a tool that takes a command."""
    return lambda path: {name: f"cat {path}"}


AGENTS = (
    Client(
        "claude-code", "Claude Code", npm("@anthropic-ai/claude-code", "2.1.332"), Dialect.ANTHROPIC,
        claude_command, claude_settings, {"Read": path_in("file_path")},
    ),
    Client(
        "codex", "Codex", npm("@openai/codex", "0.171.0"), Dialect.OPENAI_RESPONSES,
        codex_command, codex_settings, {"exec_command": shell("cmd"), "shell_command": shell("command")},
    ),
    Client(
        "opencode", "opencode", npm("opencode-ai", "1.18.33"), Dialect.OPENAI_CHAT,
        opencode_command, opencode_settings, {"read": path_in("filePath")},
    ),
    Client(
        "continue", "Continue", npm("@continuedev/cli", "1.5.47"), Dialect.OPENAI_CHAT,
        continue_command, continue_settings, {"Read": path_in("filepath")},
    ),
    Client(
        "gemini-cli", "Gemini CLI", npm("@google/gemini-cli", "0.61.0"), Dialect.GEMINI,
        gemini_command, gemini_settings, {"read_file": path_in("file_path")},
    ),
    Client(
        "qwen-code", "Qwen Code", npm("@qwen-code/qwen-code", "0.24.4"), Dialect.OPENAI_CHAT,
        qwen_command, qwen_settings, {"read_file": path_in("file_path")},
        is_turn=lambda request: has_tools(request) and b"Managed memory has" not in request.body,
    ),
    Client(
        "cline", "Cline", npm("cline", "3.0.65"), Dialect.OPENAI_CHAT,
        cline_command, cline_settings, {"read_files": lambda path: {"files": [{"path": str(path)}]}},
        continues=False,
        note="one turn: another needs its terminal interface",
    ),
    Client(
        "pi", "pi", npm("@mariozechner/pi-coding-agent", "0.73.1"), Dialect.OPENAI_CHAT,
        pi_command, pi_settings, {"read": path_in("path")},
    ),
    Client(
        "aider", "aider", pypi("aider-chat", "0.86.2", python="3.12"), Dialect.OPENAI_CHAT,
        aider_command, aider_settings,
        is_turn=lambda request: request.wants_stream,
        takes_all_turns=True,
        stdin=lambda questions: "".join(f"{each}\n" for each in questions),
        note="no tools: it edits files by its own format",
    ),
)  # fmt: skip
