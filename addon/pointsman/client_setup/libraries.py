"""Libraries and SDKs: what a program has to set."""

from pointsman.client_setup.client import Client, Code
from pointsman.config.enums import Dialect

OPENAI_ENV = {"OPENAI_BASE_URL": "{base}", "OPENAI_API_KEY": "{key}"}

OPENAI = Client(
    name="openai",
    title="OpenAI SDK",
    dialect=Dialect.OPENAI_CHAT,
    env=OPENAI_ENV,
    install="python -m pip install openai",
    run_here="3.57.0",
    code=Code(
        "python",
        """\
from openai import OpenAI

client = OpenAI(base_url="{base}", api_key="{key}")
messages = [{"role": "user", "content": "Hello"}]
answer = client.chat.completions.create(model="auto-smart", messages=messages)
print(answer.choices[0].message.content)
""",
    ),
    notes=("`client.responses` works too.",),
)

ANTHROPIC = Client(
    name="anthropic",
    title="Anthropic SDK",
    dialect=Dialect.ANTHROPIC,
    env={"ANTHROPIC_BASE_URL": "{url}", "ANTHROPIC_API_KEY": "{key}"},
    install="python -m pip install anthropic",
    run_here="2.14.0",
    code=Code(
        "python",
        """\
from anthropic import Anthropic

client = Anthropic(base_url="{url}", api_key="{key}")
messages = [{"role": "user", "content": "Hello"}]
answer = client.messages.create(model="auto-smart", max_tokens=1000, messages=messages)
print(answer.content[0].text)
""",
    ),
    notes=("The address is without `/v1`: the library adds it.",),
)

GOOGLE_GENAI = Client(
    name="google-genai",
    title="Google Gen AI SDK",
    dialect=Dialect.GEMINI,
    env={"GOOGLE_GEMINI_BASE_URL": "{url}", "GEMINI_API_KEY": "{key}"},
    install="python -m pip install google-genai",
    run_here="3.6.1",
    code=Code(
        "python",
        """\
from google import genai

client = genai.Client(api_key="{key}", http_options={"base_url": "{url}"})
print(client.models.generate_content(model="auto-smart", contents="Hello").text)
""",
    ),
    notes=("The address is without `/v1beta`: the library adds it.",),
)

VERCEL_AI_SDK = Client(
    name="vercel-ai-sdk",
    title="Vercel AI SDK",
    dialect=Dialect.OPENAI_CHAT,
    install="npm install ai @ai-sdk/openai-compatible",
    run_here="ai 6.0.326",
    code=Code(
        "ts",
        """\
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

const pointsman = createOpenAICompatible({
  name: "pointsman",
  baseURL: "{base}",
  apiKey: "{key}",
  includeUsage: true,
});
const { text } = await generateText({ model: pointsman("auto-smart"), prompt: "Hello" });
console.log(text);
""",
    ),
)

LITELLM = Client(
    name="litellm",
    title="LiteLLM",
    dialect=Dialect.OPENAI_CHAT,
    install="python -m pip install litellm",
    run_here="1.110.2",
    code=Code(
        "python",
        """\
import litellm

messages = [{"role": "user", "content": "Hello"}]
answer = litellm.completion(
    model="openai/auto-smart", api_base="{base}", api_key="{key}", messages=messages
)
print(answer.choices[0].message.content)
""",
    ),
    notes=("The prefix `openai` chooses LiteLLM's own OpenAI client; the router sees the name without it.",),
)

LANGCHAIN = Client(
    name="langchain",
    title="LangChain",
    dialect=Dialect.OPENAI_CHAT,
    install="python -m pip install langchain-openai",
    run_here="langchain-openai 1.7.4",
    code=Code(
        "python",
        """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="auto-smart", base_url="{base}", api_key="{key}")
print(model.invoke("Hello").content)
""",
    ),
)

OPENAI_AGENTS = Client(
    name="openai-agents",
    title="OpenAI Agents SDK",
    dialect=Dialect.OPENAI_RESPONSES,
    env={**OPENAI_ENV, "OPENAI_AGENTS_DISABLE_TRACING": "1"},
    install="python -m pip install openai-agents",
    run_here="0.24.0",
    code=Code(
        "python",
        """\
from agents import Agent, Runner, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI

set_default_openai_client(AsyncOpenAI(base_url="{base}", api_key="{key}"), use_for_tracing=False)
set_tracing_disabled(True)
agent = Agent(name="Assistant", instructions="Answer briefly.", model="auto-smart")
print(Runner.run_sync(agent, "Hello").final_output)
""",
    ),
    notes=("Tracing goes to OpenAI with the same key, so it is turned off.",),
)

PYDANTIC_AI = Client(
    name="pydantic-ai",
    title="Pydantic AI",
    dialect=Dialect.OPENAI_CHAT,
    install="python -m pip install pydantic-ai-slim[openai]",
    run_here="2.68.0",
    code=Code(
        "python",
        """\
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url="{base}", api_key="{key}")
agent = Agent(OpenAIChatModel("auto-smart", provider=provider))
print(agent.run_sync("Hello").output)
""",
    ),
)

LIBRARIES = (OPENAI, ANTHROPIC, GOOGLE_GENAI, VERCEL_AI_SDK, LITELLM, LANGCHAIN, OPENAI_AGENTS, PYDANTIC_AI)
