"""Coding agents and other clients of the command line."""

from pointsman.client_setup.client import (
    BALANCED,
    CONFIG,
    CONTEXT,
    FAST,
    HOME,
    OUTPUT,
    SMART,
    Client,
    ConfigFile,
    FileFormat,
    Folder,
)
from pointsman.config.enums import Dialect

CODEX_MODEL = "gpt-5.5"
"""Codex gives its patch tool and reasoning to models that it has metadata for, and has had this one's the longest."""

CLAUDE_ENV = {
    "ANTHROPIC_BASE_URL": "{url}",
    "ANTHROPIC_AUTH_TOKEN": "{key}",
    "ANTHROPIC_DEFAULT_OPUS_MODEL": SMART,
    "ANTHROPIC_DEFAULT_SONNET_MODEL": BALANCED,
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": FAST,
}

CLAUDE_CODE = Client(
    name="claude-code",
    title="Claude Code",
    dialect=Dialect.ANTHROPIC,
    files=(
        ConfigFile(
            Folder("~/.claude", "CLAUDE_CONFIG_DIR"), "settings.json", FileFormat.JSON, {"env": dict(CLAUDE_ENV)}
        ),
    ),
    env=CLAUDE_ENV,
    unset=("ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"),
    start=("claude",),
    install="npm install -g @anthropic-ai/claude-code",
    run_here="2.1.197",
    notes=(
        "The address is without `/v1`: the client adds it.",
        "`/model` chooses: Opus is `auto-smart`, Sonnet `auto-balanced`, Haiku `auto-fast`.",
        "Its own web search is a hosted tool, and works only with providers of the dialect `anthropic`.",
    ),
)

CODEX = Client(
    name="codex",
    title="Codex",
    dialect=Dialect.OPENAI_RESPONSES,
    files=(
        ConfigFile(
            Folder("~/.codex", "CODEX_HOME"),
            "config.toml",
            FileFormat.TOML,
            {
                "model": CODEX_MODEL,
                "model_provider": "pointsman",
                "model_context_window": CONTEXT,
                "model_providers": {
                    "pointsman": {
                        "name": "Pointsman",
                        "base_url": "{base}",
                        "wire_api": "responses",
                        "supports_websockets": True,
                        "experimental_bearer_token": "{key}",
                    }
                },
            },
        ),
    ),
    env={"POINTSMAN_KEY": "{key}"},
    start=(
        "codex",
        "-c", f'model="{CODEX_MODEL}"',
        "-c", 'model_provider="pointsman"',
        "-c", f"model_context_window={CONTEXT}",
        "-c", 'model_providers.pointsman={name="Pointsman", base_url="{base}", wire_api="responses", '
        'supports_websockets=true, env_key="POINTSMAN_KEY"}',
    ),
    install="npm install -g @openai/codex",
    run_here="0.171.0",
    aliases={CODEX_MODEL: SMART},
    notes=(
        f"The model is called `{CODEX_MODEL}`, for which Codex has its `apply_patch` tool and reasoning; with a name "
        "that it does not know, it uses neither.",
        "With `supports_websockets`, it keeps one WebSocket connection and sends "
        "only what is new; without it, or with `server.websocket: false` in the router, it uses `POST`.",
    ),
)  # fmt: skip

OPENCODE_CONFIG = {
    "$schema": "https://opencode.ai/config.json",
    "model": f"pointsman/{SMART}",
    "small_model": f"pointsman/{FAST}",
    "provider": {
        "pointsman": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Pointsman",
            "options": {"baseURL": "{base}", "apiKey": "{key}"},
            "models": {
                name: {"name": name, "limit": {"context": CONTEXT, "output": OUTPUT}}
                for name in (SMART, BALANCED, FAST)
            },
        }
    },
}

OPENCODE = Client(
    name="opencode",
    title="opencode",
    dialect=Dialect.OPENAI_CHAT,
    files=(ConfigFile(CONFIG, "opencode/opencode.json", FileFormat.JSON, OPENCODE_CONFIG),),
    run_files=(ConfigFile(Folder("{run}"), "opencode.json", FileFormat.JSON, OPENCODE_CONFIG),),
    env={"OPENCODE_CONFIG": "{run}/opencode.json"},
    start=("opencode",),
    install="npm install -g opencode-ai",
    run_here="1.18.33",
)

GEMINI_SETTINGS = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "model": {"name": SMART}}
GEMINI_ENV = {"GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_API_KEY": "{key}", "GEMINI_MODEL": SMART}

GEMINI_CLI = Client(
    name="gemini-cli",
    title="Gemini CLI",
    dialect=Dialect.GEMINI,
    files=(
        ConfigFile(Folder("~/.gemini"), "settings.json", FileFormat.JSON, GEMINI_SETTINGS),
        ConfigFile(Folder("~/.gemini"), ".env", FileFormat.DOTENV, GEMINI_ENV),
    ),
    run_files=(ConfigFile(Folder("{run}"), "settings.json", FileFormat.JSON, GEMINI_SETTINGS),),
    env={**GEMINI_ENV, "GEMINI_CLI_SYSTEM_SETTINGS_PATH": "{run}/settings.json"},
    unset=("GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"),
    start=("gemini",),
    install="npm install -g @google/gemini-cli",
    run_here="0.61.0",
    notes=(
        "The address is without `/v1beta`: the client adds it.",
        "Gemini CLI reads its `.env` only in folders that you trust; it asks at its first start in a folder. "
        "`pointsman run gemini-cli` does not need it.",
    ),
)

QWEN_CODE = Client(
    name="qwen-code",
    title="Qwen Code",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            Folder("~/.qwen"),
            "settings.json",
            FileFormat.JSON,
            {
                "env": {"POINTSMAN_KEY": "{key}"},
                "modelProviders": {
                    "openai": [
                        {
                            "id": name,
                            "name": f"Pointsman {name}",
                            "baseUrl": "{base}",
                            "envKey": "POINTSMAN_KEY",
                            "generationConfig": {"contextWindowSize": CONTEXT},
                        }
                        for name in (SMART, FAST)
                    ]
                },
                "security": {"auth": {"selectedType": "openai"}},
                "model": {"name": SMART},
            },
        ),
    ),
    env={"OPENAI_BASE_URL": "{base}", "OPENAI_API_KEY": "{key}", "OPENAI_MODEL": SMART},
    start=("qwen", "--auth-type", "openai"),
    install="npm install -g @qwen-code/qwen-code",
    run_here="0.15.10",
)

AIDER_METADATA = {
    f"openai/{name}": {
        "max_input_tokens": CONTEXT,
        "max_output_tokens": OUTPUT,
        "litellm_provider": "openai",
        "mode": "chat",
    }
    for name in (SMART, FAST)
}
AIDER_MODELS = [
    {
        "name": f"openai/{SMART}",
        "edit_format": "diff",
        "use_repo_map": True,
        "weak_model_name": f"openai/{FAST}",
        "extra_params": {"extra_headers": {"X-Session-ID": "{session}"}},
    }
]

AIDER = Client(
    name="aider",
    title="aider",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            HOME,
            ".aider.conf.yml",
            FileFormat.YAML,
            {
                "openai-api-base": "{base}",
                "openai-api-key": "{key}",
                "model": f"openai/{SMART}",
                "weak-model": f"openai/{FAST}",
            },
        ),
        ConfigFile(HOME, ".aider.model.settings.yml", FileFormat.YAML, AIDER_MODELS),
        ConfigFile(HOME, ".aider.model.metadata.json", FileFormat.JSON, AIDER_METADATA),
    ),
    run_files=(
        ConfigFile(Folder("{run}"), "models.yml", FileFormat.YAML, AIDER_MODELS),
        ConfigFile(Folder("{run}"), "metadata.json", FileFormat.JSON, AIDER_METADATA),
    ),
    env={
        "OPENAI_API_BASE": "{base}",
        "OPENAI_API_KEY": "{key}",
        "AIDER_MODEL": f"openai/{SMART}",
        "AIDER_WEAK_MODEL": f"openai/{FAST}",
        "AIDER_MODEL_SETTINGS_FILE": "{run}/models.yml",
        "AIDER_MODEL_METADATA_FILE": "{run}/metadata.json",
    },
    start=("aider",),
    install="python -m pip install aider-install && aider-install",
    run_here="0.86.2",
    notes=(
        "`pointsman run aider` sends an `X-Session-ID` of its own for each run. The files have one for all chats "
        "of this user.",
        "The weak model, which writes commit messages, has no session, so that it does not move the pin of the chat.",
    ),
)

CONTINUE_HEAD = {"name": "Pointsman", "version": "1.0.0", "schema": "v1"}
CONTINUE_CONFIG = {
    "models": [
        {
            "name": "Pointsman",
            "provider": "openai",
            "model": SMART,
            "apiBase": "{base}",
            "apiKey": "{key}",
            "roles": ["chat", "edit", "apply"],
            "capabilities": ["tool_use"],
            "defaultCompletionOptions": {"contextLength": CONTEXT, "maxTokens": OUTPUT},
        }
    ],
}

CONTINUE = Client(
    name="continue",
    title="Continue",
    dialect=Dialect.OPENAI_CHAT,
    files=(ConfigFile(Folder("~/.continue"), "config.yaml", FileFormat.YAML, CONTINUE_CONFIG, CONTINUE_HEAD),),
    run_files=(ConfigFile(Folder("{run}"), "config.yaml", FileFormat.YAML, CONTINUE_CONFIG, CONTINUE_HEAD),),
    start=("cn", "--config", "{run}/config.yaml"),
    install="npm install -g @continuedev/cli",
    run_here="cn 1.5.47",
    notes=("The same file serves the extension for VS Code and JetBrains and the command line, `cn`.",),
)

CLINE = Client(
    name="cline",
    title="Cline",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            Folder("~/.cline/data"),
            "settings/providers.json",
            FileFormat.JSON,
            {
                "version": 1,
                "lastUsedProvider": "openai-compatible",
                "providers": {
                    "openai-compatible": {
                        "settings": {
                            "provider": "openai-compatible",
                            "apiKey": "{key}",
                            "model": SMART,
                            "baseUrl": "{base}",
                        }
                    }
                },
            },
            initial={
                "providers": {"openai-compatible": {"updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}}
            },
        ),
    ),
    needs_files=True,
    start=("cline", "-P", "openai-compatible"),
    install="npm install -g cline",
    run_here="command line 3.0.65",
    steps=(
        "In VS Code: open Cline's settings and choose *API Provider*: OpenAI Compatible.",
        "*Base URL*: {base}",
        "*OpenAI Compatible API Key*: {key}",
        f"*Model ID*: {SMART}",
    ),
    notes=("The file is that of the command line. The extension for VS Code is set up by hand.",),
)

PI = Client(
    name="pi",
    title="pi",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            Folder("~/.pi/agent", "PI_CODING_AGENT_DIR"),
            "models.json",
            FileFormat.JSON,
            {
                "providers": {
                    "pointsman": {
                        "baseUrl": "{base}",
                        "api": "openai-completions",
                        "apiKey": "{key}",
                        "compat": {"sendSessionAffinityHeaders": True},
                        "models": [
                            {"id": name, "contextWindow": CONTEXT, "maxTokens": OUTPUT}
                            for name in (SMART, BALANCED, FAST)
                        ],
                    }
                }
            },
        ),
        ConfigFile(
            Folder("~/.pi/agent", "PI_CODING_AGENT_DIR"),
            "settings.json",
            FileFormat.JSON,
            {"defaultProvider": "pointsman", "defaultModel": SMART},
        ),
    ),
    needs_files=True,
    start=("pi", "--provider", "pointsman", "--model", SMART),
    install="npm install -g @earendil-works/pi-coding-agent",
    run_here="0.74.2",
)

CRUSH = Client(
    name="crush",
    title="Crush",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            CONFIG,
            "crush/crush.json",
            FileFormat.JSON,
            {
                "$schema": "https://charm.land/crush.json",
                "providers": {
                    "pointsman": {
                        "name": "Pointsman",
                        "type": "openai-compat",
                        "base_url": "{base}",
                        "api_key": "{key}",
                        "models": [
                            {"id": name, "name": name, "context_window": CONTEXT, "default_max_tokens": OUTPUT}
                            for name in (SMART, FAST)
                        ],
                    }
                },
                "models": {
                    "large": {"provider": "pointsman", "model": SMART},
                    "small": {"provider": "pointsman", "model": FAST},
                },
            },
        ),
    ),
    needs_files=True,
    start=("crush",),
    install="npm install -g @charmland/crush",
)

GOOSE = Client(
    name="goose",
    title="goose",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            CONFIG,
            "goose/custom_providers/pointsman.json",
            FileFormat.JSON,
            {
                "name": "pointsman",
                "engine": "openai",
                "display_name": "Pointsman",
                "description": "The router on this machine",
                "api_key_env": "",
                "requires_auth": False,
                "headers": {"Authorization": "Bearer {key}"},
                "session_id_header_override": "X-Session-ID",
                "base_url": "{url}",
                "models": [{"name": name, "context_limit": CONTEXT} for name in (SMART, FAST)],
                "supports_streaming": True,
            },
        ),
        ConfigFile(CONFIG, "goose/config.yaml", FileFormat.YAML, {"GOOSE_PROVIDER": "pointsman", "GOOSE_MODEL": SMART}),
    ),
    env={
        "GOOSE_PROVIDER": "openai",
        "GOOSE_MODEL": SMART,
        "GOOSE_CONTEXT_LIMIT": str(CONTEXT),
        "OPENAI_HOST": "{url}",
        "OPENAI_BASE_PATH": "v1/chat/completions",
        "OPENAI_API_KEY": "{key}",
    },
    start=("goose",),
    install="see https://goose-docs.ai/docs/getting-started/installation",
)

LLM_FOLDER = Folder("~/.config/io.datasette.llm", "LLM_USER_PATH", mac="~/Library/Application Support/io.datasette.llm")

LLM = Client(
    name="llm",
    title="llm",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            LLM_FOLDER,
            "extra-openai-models.yaml",
            FileFormat.YAML,
            [
                {
                    "model_id": f"pointsman-{name}",
                    "model_name": name,
                    "api_base": "{base}",
                    "api_key_name": "pointsman",
                    "supports_tools": True,
                    "supports_schema": True,
                }
                for name in (SMART, FAST)
            ],
        ),
        ConfigFile(LLM_FOLDER, "keys.json", FileFormat.JSON, {"pointsman": "{key}"}),
    ),
    env={"LLM_MODEL": f"pointsman-{SMART}"},
    needs_files=True,
    start=("llm",),
    install="python -m pip install llm",
    run_here="0.36",
    notes=(f"`llm -m pointsman-{SMART} 'Hello'`, or `llm models default pointsman-{SMART}` once.",),
)

AGENTS = (
    CLAUDE_CODE,
    CODEX,
    OPENCODE,
    GEMINI_CLI,
    QWEN_CODE,
    AIDER,
    CONTINUE,
    CLINE,
    PI,
    CRUSH,
    GOOSE,
    LLM,
)
