"""The validated configuration.

Every default stands here, or in the sections imported here, and nowhere else.
Durations are seconds, sizes are bytes. Everything is frozen; a reload makes a new `Settings`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pointsman.config.base_model import ConfigModel, FrozenMapping, empty_mapping
from pointsman.config.clients import ClientSettings
from pointsman.config.enums import (
    CachePolicy,
    ContentFilter,
    DriftPolicy,
    FailureScope,
    Forward,
    KeySource,
    ListedModels,
    LogFormat,
    Mode,
    ProtectionLevel,
    Strategy,
    UnknownModel,
)
from pointsman.config.faulty_providers import ProviderFault
from pointsman.config.messages import HiddenValueError
from pointsman.config.providers import Model, Provider
from pointsman.config.stream import Hedge, Stream
from pointsman.config.values import (
    AliasMeaning,
    CollectorUrl,
    EngineTimeout,
    EngineUrl,
    ErrorStatus,
    File,
    Flag,
    Grace,
    HeaderName,
    HeaderPrefix,
    Host,
    KeyPrefix,
    MaybeSecret,
    Pause,
    QueueWait,
    Span,
    Tick,
    Timer,
    Weight,
    count,
    read_path,
    size,
    unique,
)
from pointsman.enum_tables import require_total


class Server(ConfigModel):
    """Who may come in, and how the router names its headers."""

    client_key: MaybeSecret = None  # None: chat paths are for loopback and local mode only
    admin_key: MaybeSecret = None  # None: one is generated at start
    forward: Forward | None = (
        None  # who may use it as an ordinary proxy; None: local, and key where there are clients with keys
    )
    header_prefix: HeaderPrefix = "X-"  # of the sticky headers
    # Hosts whose chat requests are routed when the router is the client's proxy.
    intercept: Annotated[tuple[Host, ...], AfterValidator(unique)] = (
        "api.openai.com",
        "api.anthropic.com",
        "generativelanguage.googleapis.com",
    )
    # Names, beside addresses and those of this machine, under which own pages may be asked for and, without a client
    # key, chats.
    hosts: Annotated[tuple[Host, ...], AfterValidator(unique)] = ()
    max_body: Annotated[int, size(4 * 2**30)] = 64 * 2**20  # of a client's request
    websocket: Flag = True  # accept WebSocket connections of Responses; else 426, and clients use POST
    drain: Grace = 10.0  # how long running streams may go on when the process is told to end


class Weights(ConfigModel):
    """How much each quality of a candidate counts in one mode."""

    reliability: Weight
    speed: Weight
    latency: Weight
    intelligence: Weight

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not any((self.reliability, self.speed, self.latency, self.intelligence)):
            raise HiddenValueError("must have at least one weight above 0")
        return self


class BalancedWeights(Weights):
    reliability: Weight = 0.50
    speed: Weight = 0.15
    latency: Weight = 0.10
    intelligence: Weight = 0.25


class SmartWeights(Weights):
    reliability: Weight = 0.35
    speed: Weight = 0.05
    latency: Weight = 0.05
    intelligence: Weight = 0.55


class FastWeights(Weights):
    reliability: Weight = 0.35
    speed: Weight = 0.30
    latency: Weight = 0.25
    intelligence: Weight = 0.10


class WeightsByMode(ConfigModel):
    """`weights[mode]`."""

    balanced: BalancedWeights = BalancedWeights.defaults()
    smart: SmartWeights = SmartWeights.defaults()
    fast: FastWeights = FastWeights.defaults()

    def __getitem__(self, mode: Mode) -> Weights:
        weights: Weights = getattr(self, mode)
        return weights


require_total(WeightsByMode.model_fields, Mode, "config.settings.WeightsByMode")


def _for_all_modes(written: Any) -> Any:
    if not isinstance(written, str):
        return written
    modes = tuple(Mode) if written in Strategy else (Mode.BALANCED,)  # of what is wrong, one error is enough
    return dict.fromkeys(map(str, modes), written)


class FailureRule(ConfigModel):
    """What an error status costs, in place of the router's own policy."""

    cool: Pause  # 0 cools nothing
    scope: FailureScope = FailureScope.MODEL


class Routing(ConfigModel):
    """Which targets a request may have, and how long new ones are tried."""

    default_mode: Mode = Mode.BALANCED
    max_attempts: Annotated[int, count(100)] = 12  # launches, with hedges and second keys, without stale connections
    deadline: Timer = 120.0  # before commit, after which nothing more is launched
    # How long a request may wait for a limit, instead of a refusal; off: it does not.
    max_wait: QueueWait = 0.0
    unknown_model: UnknownModel = UnknownModel.ERROR
    # What follows a refusal for the content. None: the next candidate is tried after the filter of a hosting service,
    # and not after the policy of a model's maker, which is the same everywhere.
    content_filter: ContentFilter | None = None
    drift: DriftPolicy = DriftPolicy.SHOW  # what follows when a target's answers get worse than elsewhere
    failures: FrozenMapping[ErrorStatus, FailureRule] = empty_mapping()
    # What each alias means: a name, or a chain of names that are tried in this order.
    aliases: FrozenMapping[str, AliasMeaning] = empty_mapping()
    # What orders the targets of a tier, by mode; in the file it may be one word for all. Absent: score.
    strategy: Annotated[FrozenMapping[Mode, Strategy], BeforeValidator(_for_all_modes)] = empty_mapping()
    weights: WeightsByMode = WeightsByMode.defaults()


class ModelListSettings(ConfigModel):
    """The model list of the router."""

    listed: ListedModels = ListedModels.ALL


def _at_least_one[T](items: Sequence[T]) -> Sequence[T]:
    if not items:
        raise HiddenValueError("must name at least one; to turn sticky sessions off, set sticky.enabled to false")
    return items


class Sticky(ConfigModel):
    """How a conversation is recognised, and for how long it keeps its pin."""

    enabled: Flag = True
    modes: Annotated[tuple[Mode, ...], AfterValidator(unique)] = tuple(Mode)  # in which the pin is preferred
    idle_ttl: Span = 1800.0  # sliding
    max_sessions: Annotated[int, count(1_000_000)] = 10_000  # least recently used goes first
    key_sources: Annotated[tuple[KeySource, ...], AfterValidator(unique), AfterValidator(_at_least_one)] = (
        KeySource.SESSION_HEADER,
        KeySource.SESSION_BODY,
        KeySource.PREFIX_HASH,
        KeySource.AUTH_HEADER,
    )
    session_headers: Annotated[tuple[HeaderName, ...], AfterValidator(unique)] = (
        "X-Session-ID",
        "X-Claude-Code-Session-Id",
        "session-id",
        "session_id",
        "thread-id",
        "x-session-affinity",
        "x-opencode-session",
        "X-OpenWebUI-Chat-Id",
    )
    rest: Pause = 180.0  # how long a pin on a `provider-ban` provider is not preferred after use; 0 is off
    ban: Span = 600.0  # how long a session stays away from a target or provider that has failed it
    cache: CachePolicy = CachePolicy.AUTO  # whether a pin is given up where another target costs less, cache and all
    show_words: Flag = False  # keep the first words of each conversation in memory, for the page Sessions
    return_after: Pause = 0.0  # go back to the former target once it has worked for so long; 0 is off


class CooldownSettings(ConfigModel):
    """How long a target or key is excluded for everyone. Seconds, 0 is off."""

    transient: Pause = 15.0
    rate_limit: Pause = 90.0
    key_invalid: Pause = 300.0


class HistorySettings(ConfigModel):
    """The request log, bounded by age and by size."""

    path: File = Field(default_factory=lambda: read_path("~/.pointsman/history.db"))  # None keeps no history
    keep: Span = 30 * 86400.0
    max_size: Annotated[int, size(2**40, low=2**24)] = 2**30  # of the file; the oldest rows go first


class TelemetrySettings(ConfigModel):
    """Where traces go."""

    otlp: CollectorUrl | None = None  # an OTLP collector that takes HTTP; None: no traces
    content: Flag = False  # traces hold what was asked and answered


class SharedSettings(ConfigModel):
    """The engine (Valkey or Redis) over which several routers act as one."""

    url: EngineUrl | None = None  # None: this process is alone
    prefix: KeyPrefix = "pointsman"  # of its keys; routers with the same one act as one
    tick: Tick = 0.05  # between two exchanges with it
    timeout: EngineTimeout = 0.02  # after which it counts as slow, and requests do not wait for it


class LogSettings(ConfigModel):
    """How the log is written."""

    format: LogFormat = LogFormat.TEXT


class ConfigSections(ConfigModel):
    """What a file may hold."""

    server: Server = Server.defaults()
    routing: Routing = Routing.defaults()
    models: ModelListSettings = ModelListSettings.defaults()
    sticky: Sticky = Sticky.defaults()
    stream: Stream = Stream.defaults()
    hedge: Hedge = Hedge.defaults()
    cooldowns: CooldownSettings = CooldownSettings.defaults()
    protection: FrozenMapping[str, ProtectionLevel] = empty_mapping()  # by provider, or by provider/model
    history: HistorySettings = HistorySettings.defaults()
    shared: SharedSettings = SharedSettings.defaults()
    telemetry: TelemetrySettings = TelemetrySettings.defaults()
    log: LogSettings = LogSettings.defaults()
    providers: FrozenMapping[str, Provider] = empty_mapping()
    clients: FrozenMapping[str, ClientSettings] = empty_mapping()  # by name


class Settings(ConfigSections):
    """A whole configuration. Each provider's `timeouts` and `hedge` are complete: what it leaves open is filled in.
    `clients` has `default` if there is a `server.client_key`.
    """

    warnings: tuple[str, ...] = ()  # what works, but hardly as meant
    faults: tuple[ProviderFault, ...] = ()  # of providers that are not in force as written
    order: tuple[str, ...] = ()  # targets, `provider/model`, that come before all others

    def targets(self) -> list[tuple[Provider, Model]]:
        """Every target in the order that counts: those named first, then the others as they are written."""
        written = [(provider, model) for provider in self.providers.values() for model in provider.models]
        places = {label: place for place, label in enumerate(self.order)}
        return sorted(written, key=lambda pair: places.get(f"{pair[0].name}/{pair[1].id}", len(places)))

    def protection_of(self, provider: str, model: str) -> ProtectionLevel:
        """The level for one target: what is said of the target, of the provider, or by the provider itself.

        Raises KeyError for a provider that is not configured.
        """
        for name in (f"{provider}/{model}", provider):
            if name in self.protection:
                return self.protection[name]
        return self.providers[provider].protection
