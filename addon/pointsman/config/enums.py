"""The enums of the configuration: every value that such a setting may take."""

from enum import StrEnum


class Dialect(StrEnum):
    """A wire format. Each has a folder in `wire/dialects`, named like its value with `_` for `-`."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


class Kind(StrEnum):
    """What a model is asked for. A request goes only to models of its own kind."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    IMAGE = "image"
    AUDIO = "audio"
    RERANK = "rerank"
    MODERATION = "moderation"


KINDS_WITHOUT_OUTPUT = frozenset({Kind.EMBEDDING, Kind.RERANK, Kind.MODERATION})
"""Nothing of their answers is counted in tokens."""


class Mode(StrEnum):
    """How candidates are ranked."""

    BALANCED = "balanced"
    SMART = "smart"
    FAST = "fast"


class Pool(StrEnum):
    """The group that a model belongs to."""

    FAST = "fast"
    BALANCED = "balanced"
    SMART = "smart"


class ProtectionLevel(StrEnum):
    """What a failure excludes for the session (provider-ban), or for the rest of the exchange (model-skip)."""

    PROVIDER_BAN = "provider-ban"
    MODEL_SKIP = "model-skip"
    OFF = "off"


class KeySource(StrEnum):
    """Where the key of a session may come from."""

    SESSION_HEADER = "session_header"
    SESSION_BODY = "session_body"
    PREFIX_HASH = "prefix_hash"
    AUTH_HEADER = "auth_header"
    IP = "ip"


class LimitsScope(StrEnum):
    """What a provider's rate limits and quotas apply to, unless an error says otherwise."""

    MODEL = "model"
    KEY = "key"


class FailureScope(StrEnum):
    """What a failure of a status is charged to, where the configuration says so."""

    MODEL = "model"
    """One model of one key."""
    KEY = "key"
    PROVIDER = "provider"
    """All of its keys."""


class Capability(StrEnum):
    """What a request may need of a model."""

    TOOLS = "tools"
    VISION = "vision"
    JSON = "json"
    REASONING = "reasoning"
    AUDIO = "audio"


class RedirectMatch(StrEnum):
    """How a redirect's source is compared with the name about to be sent."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"


class Strategy(StrEnum):
    """What orders the targets of a tier. `routing.strategies` has a class for each."""

    SCORE = "score"
    PRIORITY = "priority"
    WEIGHTED = "weighted"
    ROUND_ROBIN = "round_robin"
    LEAST_BUSY = "least_busy"


class ListedModels(StrEnum):
    """What the model list shows. Whatever is not listed may be asked for all the same."""

    ALL = "all"
    AUTO = "auto"
    """The modes and the aliases alone."""


class Forward(StrEnum):
    """Who may use the port as an ordinary forward proxy."""

    LOCAL = "local"
    KEY = "key"
    OPEN = "open"


class BudgetPeriod(StrEnum):
    """How long a budget lasts. A week begins on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class UnknownModel(StrEnum):
    """What happens to a request for an unknown model."""

    ERROR = "error"
    AUTO = "auto"
    MAP = "map"
    """Names of well-known families stand for modes, see `routing.unknown_models`."""


class DriftPolicy(StrEnum):
    """What follows when a target has drifted."""

    SHOW = "show"
    WEIGH = "weigh"
    """It is shown, and its score is lowered as well."""


class CachePolicy(StrEnum):
    """Whether a pin is kept by what its warm cache is worth, or in any case."""

    AUTO = "auto"
    OFF = "off"


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


class ContentFilter(StrEnum):
    """Whether a refusal for its content ends a request."""

    FINAL = "final"
    NEXT = "next"


class Recover(StrEnum):
    """How an answer that breaks off within its stream may go on with another target."""

    OFF = "off"
    PREFILL = "prefill"
    """With models that are known to go on after a text of their own."""
    ANY = "any"
    """With others too: they are asked to repeat the last words first."""


class Prefill(StrEnum):
    """Whether a model goes on after a text of the assistant at the end of the request, and what marks that text."""

    NO = "false"
    YES = "true"
    PREFIX = "prefix"
    """`prefix: true` on the message."""
    CONTINUE_FINAL_MESSAGE = "continue_final_message"
    """That member, true, and `add_generation_prompt`, false."""
