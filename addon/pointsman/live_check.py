"""Asking a model for one token, which shows what a list of models cannot: that this key may use this model."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import aiohttp

from pointsman.config import Key, Model, Provider
from pointsman.domain.failures import Failure, classify
from pointsman.domain.outbound import UpstreamRequest
from pointsman.domain.targets import Target
from pointsman.exchange.client_request import ClientRequest
from pointsman.exchange.repeats import MAX_REPEATS
from pointsman.key_check import CHUNK, MAX_ANSWER_BYTES
from pointsman.masking import Masker
from pointsman.routing.model_redirects import apply_redirects
from pointsman.transport.mitm_patches.provider_connection import ConnectionTrace
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.wire.conversion.codec import Codec
from pointsman.wire.conversion.ir import Inconvertible
from pointsman.wire.dialects.registry import DEFAULT
from pointsman.wire.errors import Fault, FaultKind
from pointsman.wire.frames import Frame, FrameKind
from pointsman.wire.headers import with_own
from pointsman.wire.refusals import Refusal

PATH = "/v1/chat/completions"
LIVE_TIMEOUT = 60.0
"""Seconds for the whole answer: a local server may have to load the model first."""
MAX_MESSAGE = 200
"""Characters of a provider's own message that are shown."""
REMEDIES: Mapping[Failure, str] = {
    Failure.ACCOUNT: "see to the account at the provider, or use another key",
    Failure.UNAFFORDABLE: "pay, or use another key",
    Failure.QUOTA: "wait, or use another key",
    Failure.KEY_QUOTA: "wait, or use another key",
    Failure.RATE_LIMIT: "try again later, or use another key",
    Failure.KEY_RATE_LIMIT: "try again later, or use another key",
    Failure.CONCURRENCY: "try again later",
    Failure.KEY_INVALID: "correct the key",
    Failure.NO_ACCESS: "use a key that may use this model, or remove the model",
    Failure.MODEL_GONE: "correct the model's id, or remove the model",
    Failure.NOT_FOUND: "correct base_url, or the model's id",
}


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What came of one request; `ms` is the time taken."""

    ok: bool
    message: str
    ms: float
    first_content_ms: float | None = None
    """Of a streamed answer: when its first text, thought or tool call came."""


class LiveCheck:
    """`upstream` is the way to providers now. Nothing of the configured secrets is in what it reports."""

    def __init__(self, client: UpstreamClient, upstream: Callable[[], UpstreamOptions], masker: Masker) -> None:
        self._client, self._upstream, self._masker = client, upstream, masker

    async def __call__(self, provider: Provider, model: Model, key: Key | None, streamed: bool = False) -> LiveReport:
        """Never raises for what the provider does."""
        began = time.perf_counter()
        contents: list[float] = []
        problem = await self._problem(provider, model, key, streamed, contents)
        first = round((contents[0] - began) * 1000, 1) if streamed and contents and problem is None else None
        ms = round((time.perf_counter() - began) * 1000, 1)
        return LiveReport(problem is None, problem or "answered", ms, first)

    async def _problem(
        self, provider: Provider, model: Model, key: Key | None, streamed: bool, contents: list[float]
    ) -> str | None:
        try:
            async with asyncio.timeout(LIVE_TIMEOUT):
                fault = await self._fault(provider, model, key, streamed, contents)
        except TimeoutError:
            return f"no answer within {LIVE_TIMEOUT:g} s"
        except Inconvertible as error:
            return f"cannot be asked: {error}"
        except (aiohttp.ClientError, OSError) as error:
            return f"{provider.base_url} cannot be reached ({type(error).__name__})"
        return self._describe(fault) if fault else None

    async def _fault(
        self, provider: Provider, model: Model, key: Key | None, streamed: bool, contents: list[float]
    ) -> Fault | None:
        """What is wrong with the answer; the request is repeated without a parameter that the provider refuses. When
        contents came goes to `contents`.
        """
        redirect = apply_redirects(provider, model.id)
        sent = redirect.redirected_model if redirect else model.id
        refusals: list[Refusal] = []
        while True:
            call = _call(model.id, streamed)
            target = Target(provider, model, 0, model.id, provider.protection, provider.name)
            codec = call.codec(target, 1, refusals)
            contents.clear()
            fault = await self._ask(codec, _upstream_request(call, codec, target, key, sent), contents)
            refusal = codec.refusal(fault) if fault and len(refusals) < MAX_REPEATS else None
            if refusal is None:
                return replace(fault, model=sent) if fault else None
            refusals.append(refusal)

    async def _ask(self, codec: Codec, asked: UpstreamRequest, contents: list[float]) -> Fault | None:
        trace = ConnectionTrace(on_connecting=lambda: None, on_connected=lambda: None)
        async with self._client.send(asked, self._upstream(), trace) as answer:
            reader = codec.reader(answer.status, answer.headers.get("Content-Type", ""))
            frames: list[Frame] = []
            size = 0
            async for chunk in answer.content.iter_chunked(CHUNK):
                new, size = reader.read(chunk), size + len(chunk)
                contents += [time.perf_counter() for frame in new if frame.kind is FrameKind.CONTENT]
                frames += new
                if size >= MAX_ANSWER_BYTES:
                    break
        frames += reader.close()
        found = next((frame.fault for frame in frames if frame.fault), None)
        # A model that thinks first has spent its one token on that: such an answer says nothing, and is sound.
        return None if found and found.kind in (FaultKind.EMPTY, FaultKind.UNUSABLE) else found

    def _describe(self, fault: Fault) -> str:
        text = self._masker.line(fault.message)[:MAX_MESSAGE].strip()
        remedy = REMEDIES.get(classify(fault))
        return f"{fault.label}{f' {text}' if text else ''}{f'; {remedy}' if remedy else ''}"


def _call(model: str, streamed: bool) -> ClientRequest:
    question = [{"role": "user", "content": "Hi"}]
    members = {"model": model, "messages": question, "max_tokens": 1} | ({"stream": True} if streamed else {})
    body = json.dumps(members).encode()
    return ClientRequest("check", DEFAULT, DEFAULT.facts(body, PATH), PATH, body, (), time.time())


def _upstream_request(
    call: ClientRequest, codec: Codec, target: Target, key: Key | None, model: str
) -> UpstreamRequest:
    body, path = codec.outbound(call.body, model)
    auth = codec.dialect.auth_headers(key.value.get_secret_value()) if key else []
    own = with_own((("Content-Type", "application/json"), *codec.headers(call.headers)), target.provider.headers)
    url = f"{target.base_url_for(codec.dialect.name)}{path}"
    return UpstreamRequest(url, (*own, *auth), body, "POST", target.provider.own_proxy)
