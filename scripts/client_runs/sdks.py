"""Libraries, each in a program of its own (`programs/`) that asks all questions of a conversation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from client_runs.client import KEY, MAIN_MODEL, Client, Command, Place
from client_runs.installing import npm, pypi
from pointsman.config.enums import Dialect

PROGRAMS = Path(__file__).resolve().parent / "programs"
READ_FILE = {"read_file": lambda path: {"path": str(path)}}


def program(name: str) -> Command:
    """A Python program, run with the environment that the library is installed in."""

    def command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
        given = [place.router, MAIN_MODEL, KEY, json.dumps(list(questions))]
        return [place.program("python"), str(PROGRAMS / name), *given]

    return command


def ai_sdk_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    given = [str(place.programs.parent), place.router, MAIN_MODEL, KEY, json.dumps(list(questions))]
    return ["node", str(PROGRAMS / "with_ai_sdk.mjs"), *given]


def llm_settings(place: Place) -> Mapping[str, str]:
    place.write(
        "llm/extra-openai-models.yaml",
        f"- {{model_id: pointsman, model_name: {MAIN_MODEL}, api_base: '{place.router}/v1', api_key_name: pointsman, "
        "supports_tools: true}\n",
    )
    place.write("llm/keys.json", {"pointsman": KEY})
    place.write("read_file.py", "def read_file(path: str) -> str:\n    return open(path).read()\n")
    return {"LLM_USER_PATH": str(place.home / "llm")}


def llm_command(place: Place, questions: Sequence[str], is_continued: bool) -> Sequence[str]:
    tools = ["--functions", str(place.home / "read_file.py")]
    return [place.program("llm"), "-m", "pointsman", *tools, *(["--continue"] if is_continued else []), *questions]


SDKS = (
    Client(
        "openai", "openai (Python)", pypi("openai", "3.57.0"), Dialect.OPENAI_CHAT,
        program("with_openai.py"), tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "anthropic", "anthropic (Python)", pypi("anthropic", "2.14.0"), Dialect.ANTHROPIC,
        program("with_anthropic.py"), tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "google-genai", "google-genai (Python)", pypi("google-genai", "3.6.1"), Dialect.GEMINI,
        program("with_google_genai.py"), tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "ai-sdk", "Vercel AI SDK",
        npm("ai", "7.0.173", "@ai-sdk/openai-compatible@3.0.92", "zod@4.6.7"), Dialect.OPENAI_CHAT,
        ai_sdk_command, tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "litellm", "LiteLLM", pypi("litellm", "1.110.2"), Dialect.OPENAI_CHAT,
        program("with_litellm.py"), lambda place: {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "langchain", "LangChain", pypi("langchain-openai", "1.7.4"), Dialect.OPENAI_CHAT,
        program("with_langchain.py"), tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "openai-agents", "OpenAI Agents SDK", pypi("openai-agents", "0.24.0"), Dialect.OPENAI_RESPONSES,
        program("with_openai_agents.py"), lambda place: {"OPENAI_AGENTS_DISABLE_TRACING": "1"},
        READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client(
        "pydantic-ai", "Pydantic AI", pypi("pydantic-ai-slim", "2.68.0", extra="[openai]"), Dialect.OPENAI_CHAT,
        program("with_pydantic_ai.py"), tools=READ_FILE, takes_all_turns=True, continues=False,
    ),
    Client("llm", "llm", pypi("llm", "0.36"), Dialect.OPENAI_CHAT, llm_command, llm_settings, READ_FILE),
)  # fmt: skip
