"""The models that a provider lists, and how they compare with those of the configuration."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import orjson
from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode

from pointsman.config import Model, Provider
from pointsman.domain.failure_rows import Failure
from pointsman.domain.failures import classify
from pointsman.key_check import CHECK_TIMEOUT, fetch
from pointsman.routing.health_probe import probe_request
from pointsman.routing.model_redirects import apply_redirects
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.wire.dialects.registry import DIALECTS
from pointsman.wire.error_parsing import error_fault

MAX_PARALLEL = 8
"""Providers that are asked at once."""
MAX_ID = 200
"""Characters of a model's id; a longer one cannot be configured."""
CONTEXT_MEMBERS = (
    "max_model_len", "context_length", "context_window", "max_context_length", "inputTokenLimit", "max_input_tokens",
)  # fmt: skip
OTHER_KINDS = re.compile(
    r"embed|rerank|whisper|tts|transcri|moderation|dall-e|image|imagen|\bveo|sora|audio|speech|realtime|guard|ocr|lyria"
    r"|davinci|babbage|\baqa\b|\bbge-|minilm|stable-diffusion|flux",
    re.IGNORECASE,
)
"""In ids of models that do not chat, of providers that do not say what their models do."""
EMBEDDINGS = re.compile(r"embed|\bbge-(?!reranker)|minilm", re.IGNORECASE)
DATE = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$")
LATEST = re.compile(r"[-:]latest$")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as its provider lists it. `context` is in tokens."""

    id: str
    aliases: tuple[str, ...] = ()
    context: int | None = None
    chats: bool = True
    owner: str = ""

    @property
    def embeds(self) -> bool:
        """Its name says so, and it does not chat."""
        return not self.chats and EMBEDDINGS.search(self.id) is not None


@dataclass(frozen=True, slots=True)
class ProviderList:
    """What a provider lists. `models` is None where there is no list, and `problem` says why; `rejected`: it refuses
    the key. `complete`: this is all of it.
    """

    models: tuple[ListedModel, ...] | None
    problem: str = ""
    rejected: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """Enabled models of the configuration that the provider does not list, and chat models that it lists and the
    configuration does not have.
    """

    gone: tuple[Model, ...]
    new: tuple[ListedModel, ...]


async def list_models(providers: Iterable[Provider], timeout: float = CHECK_TIMEOUT) -> dict[str, ProviderList]:
    """What each provider lists for its first enabled key, by its name, within so many seconds."""
    client, gate = UpstreamClient(), asyncio.Semaphore(MAX_PARALLEL)
    upstream = UpstreamOptions.from_options(Options(), ProxyMode.parse("regular"))

    async def one(provider: Provider) -> tuple[str, ProviderList]:
        async with gate:
            return provider.name, await _list(client, upstream, provider, timeout)

    try:
        return dict(await asyncio.gather(*map(one, providers)))
    finally:
        await client.close()


async def _list(client: UpstreamClient, upstream: UpstreamOptions, provider: Provider, timeout: float) -> ProviderList:
    asked = probe_request(provider)
    if query := DIALECTS[provider.dialect].list_query:
        asked = replace(asked, url=f"{asked.url}?{query}")
    try:
        async with asyncio.timeout(timeout):
            status, body, content_type = await fetch(client, upstream, asked)
    except TimeoutError:
        return ProviderList(None, f"no answer within {timeout:g} s")
    except (aiohttp.ClientError, OSError) as error:
        return ProviderList(None, f"{provider.base_url} cannot be reached ({type(error).__name__})")
    return read_list(body) if status < 300 else refused_list(status, body, content_type)


def refused_list(status: int, body: bytes, content_type: str) -> ProviderList:
    """A key that is good for chats may be forbidden to list models."""
    match classify(error_fault(status, body, content_type)):
        case Failure.KEY_INVALID:
            return ProviderList(None, "it rejects the key", rejected=True)
        case Failure.FORBIDDEN | Failure.NO_ACCESS:
            return ProviderList(None, "the key may not list models")
        case _:
            return ProviderList(None, f"it lists no models (status {status})")


def read_list(body: bytes) -> ProviderList:
    """OpenAI's and Anthropic's lists are called `data`, Gemini's and LM Studio's `models`; some send a bare list."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ProviderList(None, "its list of models is not JSON")
    page = told if isinstance(told, dict) else {}
    rows = page.get("data", page.get("models")) if isinstance(told, dict) else told
    if rows is None and page.get("object") == "list":
        rows = []  # as Ollama lists no models
    if not isinstance(rows, list):
        return ProviderList(None, "its answer has no list of models")
    models = tuple(model for row in rows if isinstance(row, dict) and (model := _model(row)))
    return ProviderList(models, complete=not (page.get("has_more") or page.get("nextPageToken")))


def _model(row: Mapping[str, Any]) -> ListedModel | None:
    name = next((row[key] for key in ("id", "name", "model") if isinstance(row.get(key), str)), "")
    name = name.removeprefix("models/")
    if not name or len(name) > MAX_ID or not name.isascii() or not name.isprintable() or " " in name:
        return None
    aliases = row.get("aliases")
    return ListedModel(
        name,
        tuple(alias for alias in aliases if isinstance(alias, str)) if isinstance(aliases, list) else (),
        _context(row),
        _chats(name, row),
        str(row.get("owned_by") or ""),
    )


def _context(row: Mapping[str, Any]) -> int | None:
    meta = row.get("meta")
    values = [row.get(name) for name in CONTEXT_MEMBERS] + ([meta.get("n_ctx")] if isinstance(meta, dict) else [])
    return next((value for value in values if isinstance(value, int) and 0 < value <= 10**9), None)


def _chats(name: str, row: Mapping[str, Any]) -> bool:
    """What the provider says of it, else what its name says."""
    if isinstance(methods := row.get("supportedGenerationMethods"), list):
        return "generateContent" in methods and not OTHER_KINDS.search(name)
    if isinstance(can := row.get("capabilities"), dict) and isinstance(can.get("completion_chat"), bool):
        return can["completion_chat"] and not OTHER_KINDS.search(name)
    if row.get("type") in ("chat", "llm", "vlm"):
        return True
    return row.get("type") not in ("embedding", "embeddings", "image", "audio", "rerank", "moderation") and (
        not OTHER_KINDS.search(name)
    )


def compare(provider: Provider, listed: Iterable[ListedModel]) -> Comparison:
    """Names are compared as they are sent, after redirects."""
    models = tuple(listed)
    names = [(model, _sent(provider, model.id)) for model in provider.models]
    gone = tuple(model for model, name in names if model.enabled and not any(is_called(name, each) for each in models))
    new = (each for each in models if each.chats and not any(is_called(name, each) for _, name in names))
    return Comparison(gone, tuple(new))


def _sent(provider: Provider, name: str) -> str:
    redirect = apply_redirects(provider, name)
    return redirect.redirected_model if redirect else name


def is_called(name: str, listed: ListedModel) -> bool:
    """The name reaches this model: it is its id, or one of the ways in which providers shorten ids.

    >>> is_called("claude-haiku-4-5", ListedModel("claude-haiku-4-5-20251001"))
    True
    """
    wanted = {name.lower(), LATEST.sub("", name.lower())}
    return not wanted.isdisjoint(_names(listed))


def _names(listed: ListedModel) -> Iterator[str]:
    for name in (listed.id, *listed.aliases):
        short = name.lower()
        yield short
        yield LATEST.sub("", short)
        yield DATE.sub("", short)
