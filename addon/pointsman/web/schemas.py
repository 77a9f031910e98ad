"""The shapes that the admin API takes and gives, as JSON schemas. `openapi` says which route has which."""

from typing import Any

from pointsman.config.enums import Level, Mode, Pool
from pointsman.domain.records import Outcome

type Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
LINE: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "number", "description": "Seconds since 1970."}
RATE: Schema = {"type": ["number", "null"], "description": "From 0 to 1; null while there is nothing to tell."}
MILLISECONDS: Schema = {"type": ["number", "null"], "description": "Milliseconds; null: it never happened."}
ANYTHING: Schema = {}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def several(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def choice(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def shape(about: str = "", /, **members: Schema) -> Schema:
    """An object that has all of these members."""
    made: Schema = {"type": "object", "properties": members, "required": list(members)}
    return made | ({"description": about} if about else {})


def sparing(made: Schema, *names: str) -> Schema:
    """The same object, from which these members may be absent."""
    return {**made, "required": [name for name in made["required"] if name not in names]}


def closed(made: Schema) -> Schema:
    """The same object, which has no other members."""
    return {**made, "additionalProperties": False}


COOLDOWN = {"reason": TEXT, "since": TIME, "until": TIME}
SCOPE = {"provider": TEXT, "model": {**maybe(TEXT), "description": "null: all of the provider's models."}}
FAULTS = several(shape(path=TEXT, problem=TEXT))
SOURCE = choice("default", "file", "environment", "override")

ERROR = shape(
    error=sparing(
        shape(
            message=TEXT,
            type=TEXT,
            code=TEXT,
            param=maybe(TEXT),
            faults={**FAULTS, "description": "Everything that is wrong with a change, each with its place."},
        ),
        "param",
        "faults",
    )
)

PROVIDER_HEALTH = shape(
    "`problem` says why requests pass it over.",
    name=TEXT,
    status=choice("healthy", "busy", "unhealthy", "disabled"),
    dialect=TEXT,
    url=TEXT,
    targets=WHOLE,
    keys=ref("KeyCount"),
    problem=maybe(TEXT),
    since=maybe(TIME),
    next_probe=maybe(TIME),
)

ATTEMPT = shape(
    "Milliseconds count from the attempt's own start; `started` is on the wall clock.",
    n=WHOLE,
    provider=TEXT,
    base_url=TEXT,
    model=TEXT,
    model_sent=TEXT,
    redirect=maybe(shape(original_model=TEXT, redirected_model=TEXT, match=TEXT, source=TEXT)),
    key=maybe(TEXT),
    outcome=choice(*Outcome),
    status=maybe(WHOLE),
    error=maybe(TEXT),
    message=TEXT,
    failure=maybe(TEXT),
    why=TEXT,
    started=TIME,
    connected_ms=MILLISECONDS,
    first_byte_ms=MILLISECONDS,
    first_content_ms=MILLISECONDS,
    settled_ms=MILLISECONDS,
    bytes=WHOLE,
    usage=maybe(shape(prompt=maybe(WHOLE), completion=maybe(WHOLE), cached=maybe(WHOLE))),
    finish_reason=maybe(TEXT),
)

EXCHANGE_MEMBERS: Schema = {
    "request_id": TEXT,
    "session": maybe(TEXT),
    "sticky": TEXT,
    "mode": TEXT,
    "model": TEXT,
    "status": {**maybe(WHOLE), "description": "What the client saw; null: it left before it saw anything."},
    "error": maybe(TEXT),
    "started": TIME,
    "ended_ms": NUMBER,
    "stream": FLAG,
    "attempts": several(ref("Attempt")),
}

TERMS = shape(
    "score = reliability × weighted mean of (1, speed, latency, intelligence) × headroom - penalty",
    score=NUMBER,
    reliability=NUMBER,
    speed=NUMBER,
    latency=NUMBER,
    intelligence=NUMBER,
    headroom=NUMBER,
    penalty=NUMBER,
)

TARGET = shape(
    "`enabled` is the target's own switch; `provider_enabled` its provider's. `overridden` names what was changed.",
    target={**TEXT, "description": "`provider/model`."},
    provider=TEXT,
    model=TEXT,
    name=maybe(TEXT),
    pool=choice(*Pool),
    order={**WHOLE, "description": "0 first."},
    enabled=FLAG,
    provider_enabled=FLAG,
    smart_first=FLAG,
    intelligence=maybe(WHOLE),
    speed=maybe(WHOLE),
    context=maybe(WHOLE),
    supports=maybe(several(TEXT)),
    protection=choice(*Level),
    keys=ref("KeyCount"),
    cooldown=maybe(ref("Cooldown")),
    health=choice("healthy", "busy", "unhealthy", "disabled"),
    score=shape(**{mode.value: NUMBER for mode in Mode}),
    scores=shape(**{mode.value: ref("Terms") for mode in Mode}),
    overridden=several(choice("order", "enabled", "pool")),
)

KEY = shape(
    "`source` says where its value stands. `overridden` names what was changed here of a key of the file.",
    id=TEXT,
    provider=TEXT,
    label=TEXT,
    masked={**TEXT, "description": "At most the last four characters of the value."},
    enabled=FLAG,
    source=choice("file", "environment", "override"),
    invalid={**FLAG, "description": "Its provider refused it, and it has not worked since."},
    cooldown=maybe(ref("Cooldown")),
    overridden=several(choice("enabled", "label")),
)

SETTING = sparing(
    shape(
        "`path` is the way to it in the file. `choices` is there for closed sets. `beneath` is what would hold without"
        " the override.",
        name=TEXT,
        path=several(TEXT),
        value=ANYTHING,
        source=SOURCE,
        changeable=FLAG,
        choices=maybe(several(TEXT)),
        beneath=shape(value=ANYTHING, source=SOURCE),
    ),
    "beneath",
)

ANALYTICS_ROW = shape(
    raw=ref("Counts"),
    weighted=ref("Counts"),
    success_rate=RATE,
    weighted_success_rate=RATE,
    first_content_ms=ref("Percentiles"),
    tokens={"type": "object", "additionalProperties": NUMBER},
    tokens_estimated_of=WHOLE,
    hedged=WHOLE,
    failures_by_kind={"type": "object", "additionalProperties": WHOLE},
)

OVERVIEW = shape(
    "Rates and waits are those of the exchanges that ended in the last `window_seconds`, at most the last 1,000.",
    window_seconds=NUMBER,
    exchanges={**WHOLE, "description": "That ended in the window."},
    requests_per_minute={**NUMBER, "description": "That ended in the last 60 seconds."},
    per_minute={**several(WHOLE), "description": "Exchanges that ended in each of the last minutes, oldest first."},
    success_rate={**RATE, "description": "After failover: exchanges that ended well."},
    first_attempt_success_rate={**RATE, "description": "Before failover: exchanges whose first attempt ended well."},
    first_content_ms=ref("Percentiles"),
    running=WHOLE,
    running_exchanges=several(ref("Running")),
    cooldowns=ref("Cooldowns"),
    bans=several(ref("Ban")),
    providers=several(ref("ProviderHealth")),
    storms=ref("Storms"),
    sessions=WHOLE,
    demo={**FLAG, "description": "No configuration file was found: the providers are the built-in demo ones."},
)

SCHEMAS: dict[str, Schema] = {
    "Error": ERROR,
    "KeyCount": shape(usable=WHOLE, total=WHOLE),
    "Percentiles": shape(p50=MILLISECONDS, p95=MILLISECONDS),
    "Counts": shape(attempts=NUMBER, successes=NUMBER, failures=NUMBER),
    "Cooldown": shape(**COOLDOWN),
    "TargetCooldown": shape(provider=TEXT, model=TEXT, **COOLDOWN),
    "KeyCooldown": shape(provider=TEXT, key=maybe(TEXT), invalid=FLAG, **COOLDOWN),
    "Cooldowns": shape(targets=several(ref("TargetCooldown")), keys=several(ref("KeyCooldown"))),
    "Ban": shape(session=TEXT, **SCOPE, reason=TEXT, until=TIME),
    "Bans": shape(bans=several(ref("Ban"))),
    "Storms": shape(refused=WHOLE, running=several(shape(asker=TEXT, refused=WHOLE, until=TIME))),
    "ProviderHealth": PROVIDER_HEALTH,
    "Health": shape(
        status=choice("healthy", "degraded"),
        version=TEXT,
        running=WHOLE,
        started=TIME,
        providers=several(ref("ProviderHealth")),
        storms=ref("Storms"),
    ),
    "Running": shape(request_id=TEXT, model=TEXT, started=TIME, stream=FLAG, attempts=WHOLE),
    "Overview": OVERVIEW,
    "Attempt": ATTEMPT,
    "Exchange": shape(**EXCHANGE_MEMBERS, excluded=several({"type": "object"})),
    "ExchangeRow": shape(
        "An exchange without the candidates that were left out: those are told of one exchange at a time.",
        **EXCHANGE_MEMBERS,
        seq={**WHOLE, "description": "Grows by one with each exchange that ends."},
        excluded_count=WHOLE,
    ),
    "Exchanges": shape(
        exchanges=several(ref("ExchangeRow")), next={**maybe(WHOLE), "description": "`before` for the next page."}
    ),
    "Terms": TERMS,
    "Target": TARGET,
    "Fallback": shape(targets=several(ref("Target"))),
    "FallbackChange": shape(
        "Those named stand first, in this order; the others follow as they stood. What GET gives may be sent back.",
        targets={
            "type": "array",
            "maxItems": 10_000,
            "items": sparing(shape(provider=LINE, model=LINE, enabled=FLAG, pool=choice(*Pool)), "enabled", "pool"),
        },
    ),
    "Key": KEY,
    "Keys": shape(
        keys=several(ref("Key")),
        providers={**several(TEXT), "description": "Those that a key can be added to, configured ones first."},
    ),
    "NewKey": closed(
        sparing(
            shape(
                provider=LINE,
                value={"type": "string", "minLength": 1, "maxLength": 4096, "format": "password"},
                label=LINE,
                enabled=FLAG,
            ),
            "label",
            "enabled",
        )
    ),
    "KeyChange": closed(sparing(shape(label=LINE, enabled=FLAG), "label", "enabled")),
    "KeyTest": shape(
        "What the provider's list of models answered to this key.",
        ok=FLAG,
        status=maybe(WHOLE),
        models={**maybe(WHOLE), "description": "How many it listed, where that can be told."},
        ms=NUMBER,
        message=TEXT,
    ),
    "Setting": SETTING,
    "Settings": shape(
        settings=several(ref("Setting")),
        file={**maybe(TEXT), "description": "The configuration file, if there is one."},
        kept={**maybe(TEXT), "description": "The file that holds what was changed here; null: memory alone does."},
        warnings=several(TEXT),
    ),
    "SettingsChange": {
        "type": "object",
        "description": 'As the file writes it: {"routing": {"default_mode": "smart"}}. null takes a change back.',
        "additionalProperties": {"type": ["object", "null"]},
    },
    "Session": shape(
        session=TEXT,
        source=TEXT,
        used=TIME,
        expires=TIME,
        pin=maybe(shape(provider=TEXT, model=TEXT, key=maybe(TEXT))),
        failures={"type": "object", "additionalProperties": WHOLE},
        bans=several(shape(**SCOPE, reason=TEXT, until=TIME)),
    ),
    "Sessions": shape(
        "The last used first.",
        sessions=several(ref("Session")),
        stats={"type": "object", "description": "What the store has seen since the start."},
    ),
    "Cleared": shape(cleared=WHOLE),
    "AnalyticsRow": ANALYTICS_ROW,
    "Analytics": shape(
        window=choice("24h", "7d", "30d"),
        by=TEXT,
        rows=several(ref("AnalyticsRow")),
        dropped={**WHOLE, "description": "Attempts of this run that could not be written down."},
        problem={**maybe(TEXT), "description": "Why nothing is told."},
    ),
    "Series": shape(
        name=TEXT, attempts=several(WHOLE), success_rate=several(RATE), first_content_ms=several(MILLISECONDS)
    ),
    "Traffic": shape(
        "`at` are the beginnings of equal steps of time; each series has one value for each of them: the targets with"
        " most attempts first, `others` last. The wait is the median.",
        window=choice("24h", "7d", "30d"),
        step_seconds=NUMBER,
        at=several(TIME),
        total=ref("Series"),
        series=several(ref("Series")),
        problem=maybe(TEXT),
    ),
    "Login": closed(shape(admin_key={"type": "string", "maxLength": 4096, "format": "password"})),
    "Me": shape(
        "`csrf` goes into the header X-CSRF-Token of every request but GET that the session's cookie lets in; null for"
        " those let in by the admin key itself.",
        by=choice("key", "session"),
        csrf=maybe(TEXT),
        expires=maybe(TIME),
        version=TEXT,
    ),
}
