"""Editors, and extensions that are set up in an editor."""

from pointsman.client_setup.client import CONFIG, CONTEXT, FAST, OUTPUT, SMART, Client, ConfigFile, FileFormat, Folder
from pointsman.config.enums import Dialect

ROO_CODE = Client(
    name="roo-code",
    title="Roo Code",
    dialect=Dialect.OPENAI_CHAT,
    steps=(
        "Open Roo Code's settings, *Providers*, and choose *API Provider*: OpenAI Compatible.",
        "*Base URL*: {base}",
        "*API Key*: {key}",
        f"*Model*: {SMART}",
        f"*Context Window Size*: {CONTEXT}, *Max Output Tokens*: {OUTPUT}",
    ),
)

KILO_CODE = Client(
    name="kilo-code",
    title="Kilo Code",
    dialect=Dialect.OPENAI_CHAT,
    steps=(
        "Open Kilo Code's settings, *Providers*, and choose *API Provider*: OpenAI Compatible.",
        "*Base URL*: {base}",
        "*API Key*: {key}",
        f"*Model*: {SMART}",
        f"*Context Window Size*: {CONTEXT}, *Max Output Tokens*: {OUTPUT}",
    ),
)

CURSOR = Client(
    name="cursor",
    title="Cursor",
    dialect=Dialect.OPENAI_CHAT,
    steps=(
        "Open *Cursor Settings*, *Models*, *API Keys*.",
        "*OpenAI API Key*: {key}",
        "Turn on *Override OpenAI Base URL*: {base}",
        f"Add the custom model {SMART}, and choose it in the chat.",
    ),
    notes=(
        "Cursor sends these requests from its own servers, which cannot reach an address of this machine. It needs a "
        "public HTTPS address (a tunnel, or a router on a server), and the router then needs `server.client_key`.",
        "Own models need a paid plan and are for the chat. Tab completion always uses Cursor's, and agent mode may.",
    ),
)

ZED = Client(
    name="zed",
    title="Zed",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            CONFIG,
            "zed/settings.json",
            FileFormat.JSON,
            {
                "language_models": {
                    "openai_compatible": {
                        "Pointsman": {
                            "api_url": "{base}",
                            "available_models": [
                                {"name": name, "max_tokens": CONTEXT, "max_output_tokens": OUTPUT}
                                for name in (SMART, FAST)
                            ],
                        }
                    }
                },
                "agent": {"default_model": {"provider": "Pointsman", "model": SMART}},
            },
        ),
    ),
    env={"POINTSMAN_API_KEY": "{key}"},
    needs_files=True,
    start=("zed",),
    install="see https://zed.dev/download",
    notes=(
        "Zed keeps keys out of its settings: it reads `POINTSMAN_API_KEY` from the environment that it is started in, "
        "or asks for the key in the agent's settings.",
    ),
)

VS_CODE = Client(
    name="vscode",
    title="VS Code (Copilot, own models)",
    dialect=Dialect.OPENAI_CHAT,
    files=(
        ConfigFile(
            Folder("~/.config/Code/User", mac="~/Library/Application Support/Code/User"),
            "chatLanguageModels.json",
            FileFormat.JSON,
            [
                {
                    "name": "Pointsman",
                    "vendor": "customendpoint",
                    "apiKey": "{key}",
                    "apiType": "chat-completions",
                    "models": [
                        {
                            "id": name,
                            "name": name,
                            "url": "{base}/chat/completions",
                            "toolCalling": True,
                            "vision": False,
                            "maxInputTokens": CONTEXT - OUTPUT,
                            "maxOutputTokens": OUTPUT,
                        }
                        for name in (SMART, FAST)
                    ],
                }
            ],
        ),
    ),
    notes=(
        "VS Code 1.122 or newer. The same by hand: *Chat: Manage Language Models*, *Add Models*, *Custom Endpoint*.",
        "Restart VS Code if the models do not appear in the model picker. Inline completions stay Copilot's own.",
    ),
)

JETBRAINS = Client(
    name="jetbrains",
    title="JetBrains AI Assistant",
    dialect=Dialect.OPENAI_CHAT,
    steps=(
        "Open *Settings*, *Tools*, *AI Assistant*, *Providers & API keys* (in older versions *Models & API keys*).",
        "*Third-party AI providers*: choose *OpenAI-compatible*.",
        "*URL*: {base}",
        "*API Key*: {key}",
        f"*Test Connection*, apply, and choose {SMART} in the chat.",
    ),
)

WINDSURF = Client(
    name="windsurf",
    title="Windsurf",
    dialect=Dialect.OPENAI_CHAT,
    steps=(
        "Cascade has no setting for a base URL: its requests go to Windsurf's servers and cannot be routed.",
        "Use an extension in Windsurf instead: Cline, Roo Code, Kilo Code or Continue (`pointsman setup cline`, …).",
    ),
)

EDITORS = (ROO_CODE, KILO_CODE, CURSOR, ZED, VS_CODE, JETBRAINS, WINDSURF)
