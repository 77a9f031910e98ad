"""The section `providers`: upstream accounts, their keys, their models and what is particular about them."""

import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, field_validator, model_validator

from pointsman.config.base_model import ConfigModel, FrozenMapping, empty_mapping
from pointsman.config.enums import Capability, Dialect, Kind, LimitsScope, Pool, Prefill, ProtectionLevel, RedirectMatch
from pointsman.config.messages import HiddenValueError
from pointsman.config.quota_reset import MIDNIGHT_UTC, QuotaResetTime
from pointsman.config.stream import Hedge, Stream
from pointsman.config.values import (
    BaseUrl,
    Flag,
    HeaderValue,
    Limit,
    Line,
    Name,
    OwnHeaderName,
    Price,
    Priority,
    ProxyUrl,
    Rank,
    Secret,
    SmartFirst,
    Timer,
    Weight,
    unique,
)


class Key(ConfigModel):
    """A credential. In the file it is the bare value, or a mapping; the label is what logs, audit and pages call it."""

    value: Secret
    label: Line
    enabled: Flag = True

    @cached_property
    def id(self) -> str:
        """16 hex digits, of its value alone: it is the same key wherever it stands in the file. Never shown."""
        return blake2b(self.value.get_secret_value().encode(), digest_size=8).hexdigest()


def labelled(written: Any) -> Any:
    """The keys of a provider as mappings, each with a label: `key-1`, `key-2`, … where none is written."""
    if not isinstance(written, list | tuple):
        return written
    return [_labelled(item, number) for number, item in enumerate(written, start=1)]


def _labelled(item: Any, number: int) -> Any:
    if isinstance(item, Key):
        return item
    return {"label": f"key-{number}", **(item if isinstance(item, dict) else {"value": item})}


class LimitSettings(ConfigModel):
    """What a key may use of one model. Absent: not limited here."""

    rpm: Limit = None  # requests a minute
    rpd: Limit = None  # requests a day
    tpm: Limit = None  # tokens a minute
    tpd: Limit = None  # tokens a day
    concurrency: Limit = None  # requests at once


class ProviderLimits(ConfigModel):
    """What may be used of all models together."""

    concurrency: Limit = None  # requests at once, of each key
    total_concurrency: Limit = None  # the same, of all keys together


def _in_a_list(written: Any) -> Any:
    return [written] if isinstance(written, str) else written


def _at_least_one(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    if not kinds:
        raise HiddenValueError("must name at least one; absent, it is chat")
    return kinds


Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_in_a_list), AfterValidator(unique), AfterValidator(_at_least_one)]


def _word_of_flag(written: Any) -> Any:
    return str(written).lower() if isinstance(written, bool) else written


class Timeouts(ConfigModel):
    """Seconds that an attempt may take for each step. What a model does not write is as at its provider, and what the
    provider does not write as in `stream`."""

    connect: Timer = 10.0
    first_byte: Timer = Stream.model_fields["first_byte"].default
    stall: Timer = Stream.model_fields["stall"].default
    answer: Timer = Stream.model_fields["answer"].default


class Model(ConfigModel):
    """A model as its provider spells it, and what is known of it."""

    id: Name
    name: Line | None = None  # for people
    kind: Kinds = (Kind.CHAT,)  # the requests it takes, one word or several; automatic modes choose chat models alone
    pool: Pool = Pool.BALANCED
    intelligence: Rank = None  # 1 is best, None counts as the middle
    speed: Rank = None  # likewise
    context: Limit = None  # tokens; None is never excluded for size
    supports: frozenset[Capability] | None = None  # None is unknown and excludes nothing
    limits: LimitSettings = LimitSettings.defaults()
    timeouts: Timeouts | None = None  # None: its provider's
    # Stands before the others of its pool, which is `smart` unless written otherwise: 1 first; 0 among the others.
    smart_first: SmartFirst = 0
    # It goes on after a text of the assistant at the end of a request. None: for the models that are known to.
    prefill: Annotated[Prefill | None, BeforeValidator(_word_of_flag)] = None
    priority: Priority | None = None  # its tier; None: its provider's
    weight: Weight | None = None  # its share with the strategy `weighted`; None: its provider's
    protection: ProtectionLevel | None = None  # None: its provider's
    enabled: Flag = True

    @model_validator(mode="before")
    @classmethod
    def _smart_first_is_smart(cls, written: Any) -> Any:
        if isinstance(written, dict) and written.get("smart_first") not in (None, False, 0):
            return {"pool": Pool.SMART, **written}
        return written


class Redirect(ConfigModel):
    """A rewriting of the name about to be sent; the first one that matches wins."""

    match: RedirectMatch
    source: Line
    target: Name

    @field_validator("source")
    @classmethod
    def _pattern_compiles(cls, source: str, info: ValidationInfo) -> str:
        if info.data.get("match") is not RedirectMatch.REGEX:
            return source
        try:
            re.compile(source)
        except (re.error, OverflowError) as error:
            raise ValueError(f"must be a regular expression ({error})") from None
        return source

    def matches(self, name: str) -> bool:
        match self.match:
            case RedirectMatch.EXACT:
                return name == self.source
            case RedirectMatch.PREFIX:
                return name.startswith(self.source)
            case RedirectMatch.SUFFIX:
                return name.endswith(self.source)
            case RedirectMatch.CONTAINS:
                return self.source in name
            case RedirectMatch.REGEX:
                return re.search(self.source, name) is not None


class Quirks(ConfigModel):
    """What chat completions of this provider want otherwise than others."""

    flat_content: Flag = False  # content of messages is one text: no parts, no images, never null
    drop_keywords: Annotated[tuple[Name, ...], AfterValidator(unique)] = ()  # of JSON Schema, in parameters of tools
    max_tokens: Limit = None  # of an answer whose client names no limit; None leaves it to the provider
    cache_marks: Flag | None = None  # it takes cache_control; None: for the models that are known to


class ModelPrices(ConfigModel):
    """Dollars for a million tokens of one model, in place of the built-in table's. What is absent costs as the input
    does, or `cache_write_5m` for `cache_write_1h`, or `output` for `reasoning`.
    """

    input: Price
    output: Price | None = None  # None: not known
    cache_read: Price | None = None
    cache_write_5m: Price | None = None
    cache_write_1h: Price | None = None
    reasoning: Price | None = None


class Provider(ConfigModel):
    """An upstream account; `name` is its key in the file. The last ones are the catalog's, but may be written too."""

    name: str
    base_url: BaseUrl  # everything before /chat/completions, /responses, /messages, /models/…; no slash at the end
    enabled: Flag = True
    priority: Priority = 1  # its tier: 1 comes first, the next one only where nothing of this one is usable
    weight: Weight = 1.0  # its share with the strategy `weighted`; 0 comes last
    dialect: Dialect = Dialect.OPENAI_CHAT
    keys: Annotated[tuple[Key, ...], BeforeValidator(labelled)] = ()  # none: no Authorization header
    dialects: FrozenMapping[Dialect, BaseUrl] = empty_mapping()  # further dialects, each with its own base URL
    # `direct` or a URL, perhaps with a password; None: mitmproxy's upstream mode, or else the environment's proxy.
    proxy: ProxyUrl | None = None
    headers: FrozenMapping[OwnHeaderName, HeaderValue] = empty_mapping()  # sent to it, in place of the client's
    protection: ProtectionLevel = ProtectionLevel.MODEL_SKIP
    hedge: Hedge = Hedge.defaults()  # what is not written is as in the section `hedge`
    timeouts: Timeouts = Timeouts.defaults()
    redirects: tuple[Redirect, ...] = ()
    models: tuple[Model, ...] = ()
    drop_params: Annotated[tuple[Name, ...], AfterValidator(unique)] = ()  # request parameters that it refuses
    quirks: Quirks = Quirks.defaults()
    limits: ProviderLimits = ProviderLimits.defaults()
    limits_scope: LimitsScope = LimitsScope.MODEL  # what its rate limits and quotas apply to
    prices: FrozenMapping[Name, ModelPrices] = empty_mapping()  # by the id that is sent; they override the table's
    quota_reset: QuotaResetTime = MIDNIGHT_UTC  # when its daily quotas begin again
    stream_usage: Flag = False  # it understands stream_options.include_usage
    keyless: Flag = False  # it answers without a key

    @property
    def own_proxy(self) -> str | None:
        """`direct`, a URL that may hold a password, or None."""
        return self.proxy.get_secret_value() if self.proxy else None

    @field_validator("headers")
    @classmethod
    def _names_differ(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        if len({name.lower() for name in headers}) < len(headers):
            raise HiddenValueError("must not name a header twice; upper and lower case are the same")
        return headers

    @field_validator("dialects")
    @classmethod
    def _differ_from_the_first(cls, dialects: Mapping[Dialect, str], info: ValidationInfo) -> Mapping[Dialect, str]:
        if (first := info.data.get("dialect")) in dialects:
            raise HiddenValueError(f"must not name {first}, the dialect of base_url")
        return dialects
