"""The shapes that the admin API takes and gives, as JSON schemas. `openapi` says which route has which."""

from typing import Any

from pointsman.config.enums import BudgetPeriod, Dialect, Kind, Mode, Pool, ProtectionLevel
from pointsman.config.values import Unit
from pointsman.domain.records import Outcome
from pointsman.routing.answer_signals import Signal
from pointsman.routing.conditions import State
from pointsman.routing.drift import Against
from pointsman.wire.frames import TOKEN_KINDS

type Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
SHORT_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
TIME: Schema = {"type": "number", "description": "Seconds since 1970."}
RATE: Schema = {"type": ["number", "null"], "description": "From 0 to 1; null while there is no data."}
MILLISECONDS: Schema = {"type": ["number", "null"], "description": "Milliseconds; null: did not happen."}
ANYTHING: Schema = {}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def array_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def enum_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def object_schema(about: str = "", /, **members: Schema) -> Schema:
    """An object that has all of these members."""
    made: Schema = {"type": "object", "properties": members, "required": list(members)}
    return made | ({"description": about} if about else {})


def with_optional(made: Schema, *names: str) -> Schema:
    """The same object, from which these members may be absent."""
    return {**made, "required": [name for name in made["required"] if name not in names]}


def without_others(made: Schema) -> Schema:
    """The same object, which has no other members."""
    return {**made, "additionalProperties": False}


COOLDOWN = {"reason": TEXT, "since": TIME, "until": TIME}
SCOPE = {"provider": TEXT, "model": {**nullable(TEXT), "description": "null: all of the provider's models."}}
ISSUES = array_of(object_schema(path=TEXT, problem=TEXT))
SOURCE = enum_of("default", "catalog", "file", "environment", "override")

ERROR = object_schema(
    error=with_optional(
        object_schema(
            message=TEXT,
            type=TEXT,
            code=TEXT,
            param=nullable(TEXT),
            faults={**ISSUES, "description": "All issues of a change, each with its path."},
        ),
        "param",
        "faults",
    )
)

COST: Schema = {**nullable(TEXT), "description": "Dollars, as a decimal number; null: the price is not known."}

CONDITION = object_schema(
    "`text` says it in words. `until`: when it may be used again. The counts are those of the last hour.",
    state=enum_of(*State),
    text=TEXT,
    reason=nullable(TEXT),
    until=nullable(TIME),
    last_used=nullable(TIME),
    successes=INTEGER,
    attempts=INTEGER,
)

TOTALS = object_schema(
    "Since the start of the router; of earlier runs it has the success of at most the last 64 attempts.",
    successes=INTEGER,
    failures=INTEGER,
    last_hour=object_schema(successes=INTEGER, failures=INTEGER),
    usage=ref("Usage"),
    cost_usd=COST,
    last_used=nullable(TIME),
    last_error=nullable(object_schema(time=TIME, error=TEXT, message=TEXT)),
)

LIMITS: Schema = {
    "type": "object",
    "additionalProperties": object_schema(limit=INTEGER, left=INTEGER),
    "description": "By the name of each configured limit: `rpm`, `rpd`, `tpm`, `tpd`.",
}

PROVIDER_HEALTH = object_schema(
    "`problem` says why it gets no requests.",
    name=TEXT,
    status=enum_of("healthy", "busy", "unhealthy", "disabled"),
    condition=ref("Condition"),
    totals=ref("Totals"),
    dialect=TEXT,
    url=TEXT,
    targets=INTEGER,
    keys=ref("KeyCount"),
    problem=nullable(TEXT),
    since=nullable(TIME),
    next_probe=nullable(TIME),
)

USAGE: Schema = {
    "type": "object",
    "properties": {**dict.fromkeys(TOKEN_KINDS, INTEGER), "estimated": {"type": "boolean", "const": True}},
    "required": list(TOKEN_KINDS),
    "description": "Tokens. The numbers do not overlap, but `reasoning` is a part of `output`.",
}

ATTEMPT = with_optional(
    object_schema(
        "Milliseconds count from the attempt's own start; `started` is on the wall clock.",
        n=INTEGER,
        provider=TEXT,
        base_url=TEXT,
        model=TEXT,
        model_sent=TEXT,
        redirect=nullable(object_schema(original_model=TEXT, redirected_model=TEXT, match=TEXT, source=TEXT)),
        key=nullable(TEXT),
        outcome=enum_of(*Outcome),
        status=nullable(INTEGER),
        error=nullable(TEXT),
        message=TEXT,
        failure=nullable(TEXT),
        why=TEXT,
        started=TIME,
        connected_ms=MILLISECONDS,
        first_byte_ms=MILLISECONDS,
        first_content_ms=MILLISECONDS,
        settled_ms=MILLISECONDS,
        bytes=INTEGER,
        usage=nullable(ref("Usage")),
        cost_usd=COST,
        finish_reason=nullable(TEXT),
        recovery={**TEXT, "description": "Why its answer, which broke off, was not continued."},
        continues={**INTEGER, "description": "The attempt that began the answer which this one went on with."},
        method=enum_of("prefill", "anchor"),
        prefix_chars={**INTEGER, "description": "Characters of the answer that the client had by then."},
        trimmed={**INTEGER, "description": "Characters that it wrote once more, and the client did not get again."},
    ),
    "recovery",
    "continues",
    "method",
    "prefix_chars",
    "trimmed",
)

EXCHANGE_MEMBERS: Schema = {
    "request_id": TEXT,
    "client": {**nullable(TEXT), "description": "The name of the client that asked; null: it has none."},
    "dialect": {**TEXT, "description": "The client's."},
    "session": nullable(TEXT),
    "sticky": TEXT,
    "mode": TEXT,
    "model_kind": {**nullable(enum_of(*Kind)), "description": "Null for files and batches."},
    "model": TEXT,
    "taken_as": {
        **nullable(TEXT),
        "description": "What was asked instead: the mode of an unknown model name, or a client's `on_exhausted`.",
    },
    "status": {**nullable(INTEGER), "description": "The status sent to the client; null if it disconnected first."},
    "error": nullable(TEXT),
    "started": TIME,
    "ended_ms": NUMBER,
    "stream": BOOLEAN,
    "usage": nullable(ref("Usage")),
    "cost_usd": COST,
    "attempts": array_of(ref("Attempt")),
}

TERMS = object_schema(
    "score = reliability × weighted mean of (1, speed, latency, intelligence) × headroom - penalty",
    score=NUMBER,
    reliability=NUMBER,
    speed=NUMBER,
    latency=NUMBER,
    intelligence=NUMBER,
    headroom=NUMBER,
    penalty=NUMBER,
)

TARGET = object_schema(
    "`enabled` is the target's own switch; `provider_enabled` its provider's. `overridden` lists the changes.",
    target={**TEXT, "description": "`provider/model`."},
    provider=TEXT,
    model=TEXT,
    name=nullable(TEXT),
    kinds=array_of(enum_of(*Kind)),
    pool=enum_of(*Pool),
    order={**INTEGER, "description": "Position in the order, from 0."},
    enabled=BOOLEAN,
    provider_enabled=BOOLEAN,
    smart_first=BOOLEAN,
    intelligence=nullable(INTEGER),
    speed=nullable(INTEGER),
    speedRank={**nullable(INTEGER), "description": "`speed` by its longer name. 1 is best."},
    context=nullable(INTEGER),
    supports=nullable(array_of(TEXT)),
    protection=enum_of(*ProtectionLevel),
    keys=ref("KeyCount"),
    cooldown=nullable(ref("Cooldown")),
    health=enum_of("healthy", "busy", "unhealthy", "disabled"),
    condition=ref("Condition"),
    totals=ref("Totals"),
    limits={**LIMITS, "description": "Of the key that has most left."},
    price=nullable(
        object_schema("Dollars for a million tokens, as decimal numbers.", input=nullable(TEXT), output=nullable(TEXT))
    ),
    samples={**INTEGER, "description": "Attempts of the last week, which scores are based on."},
    tokens_per_second=nullable(NUMBER),
    first_content_ms=MILLISECONDS,
    score=object_schema(**{mode.value: NUMBER for mode in Mode}),
    scores=object_schema(**{mode.value: ref("Terms") for mode in Mode}),
    overridden=array_of(enum_of("order", "enabled", "pool")),
)

KEY = object_schema(
    "`source` says where its value comes from. `overridden` lists the changes to a key of the file.",
    id=TEXT,
    provider=TEXT,
    label=TEXT,
    masked={**TEXT, "description": "At most the last four characters of the value."},
    enabled=BOOLEAN,
    source=enum_of("file", "environment", "override"),
    invalid={**BOOLEAN, "description": "Rejected by its provider, and no success since."},
    cooldown=nullable(ref("Cooldown")),
    quotas=array_of(ref("Quota")),
    condition=ref("Condition"),
    totals=ref("Totals"),
    models={
        **array_of(
            object_schema(model=TEXT, condition=ref("Condition"), totals=ref("Totals"), limits=LIMITS),
        ),
        "description": "Those that were tried with this key, or have limits.",
    },
    overridden=array_of(enum_of("enabled", "label")),
)

QUOTA = object_schema(
    "A daily limit of a key for a model.",
    provider=TEXT,
    model=TEXT,
    key=nullable(TEXT),
    window=enum_of("rpd", "tpd"),
    used={**INTEGER, "description": "Within the last 24 hours."},
    limit=INTEGER,
    per_hour={**NUMBER, "description": "The present pace."},
    used_up_at={**nullable(TIME), "description": "At the present pace; null: within a day it is not."},
)

DRIFT = object_schema(
    "A model of a provider answers otherwise than elsewhere or before. Figures are shares, or medians.",
    provider=TEXT,
    model=TEXT,
    signal=enum_of(*Signal),
    against=enum_of(*Against),
    direction=enum_of("higher", "lower"),
    figure=NUMBER,
    reference=NUMBER,
    since=TIME,
    evidence={**NUMBER, "description": "Powers of ten; 4 and more raise it."},
)

SETTING = with_optional(
    object_schema(
        "`path` is its path in the file. `choices` is set for closed sets. `beneath` is the value without"
        " the override.",
        name=TEXT,
        path=array_of(TEXT),
        value=ANYTHING,
        text={**nullable(TEXT), "description": "The value as the file would write it; null for lists, and if not set."},
        unit=nullable(enum_of(*(unit.value for unit in Unit))),
        is_list=BOOLEAN,
        source=SOURCE,
        changeable=BOOLEAN,
        choices=nullable(array_of(TEXT)),
        about={**nullable(TEXT), "description": "What it means, in Markdown."},
        beneath=object_schema(value=ANYTHING, text=nullable(TEXT), source=SOURCE),
    ),
    "beneath",
)

ANALYTICS_ROW = object_schema(
    raw=ref("Counts"),
    weighted=ref("Counts"),
    success_rate=RATE,
    weighted_success_rate=RATE,
    first_content_ms=ref("Percentiles"),
    tokens={"type": "object", "additionalProperties": NUMBER},
    tokens_estimated_of=INTEGER,
    usage=ref("Usage"),
    cache_hit_share={**RATE, "description": "Of the prompts' tokens, those that were read from a cache."},
    cost_usd={**COST, "description": "Of the attempts whose price is known; null: of none of them."},
    unpriced={**INTEGER, "description": "Attempts that used something whose price is not known."},
    reference_cost_usd={**COST, "description": "Of the same at the reference model; null: cannot be said."},
    requests={**INTEGER, "description": "Requests on record, by the attempt that decided; absent by key and outcome."},
    refused={**INTEGER, "description": "Of them, those that no provider was asked for."},
    hedged=INTEGER,
    failures_by_kind={"type": "object", "additionalProperties": INTEGER},
)
ANALYTICS_ROW = with_optional(ANALYTICS_ROW, "reference_cost_usd", "requests", "refused")

REQUEST_MEMBERS: Schema = {
    "id": {**INTEGER, "description": "Of the row; a client may use a request id twice."},
    "request_id": TEXT,
    "time": {**TIME, "description": "When it ended, in seconds since 1970."},
    "started": TIME,
    "client": nullable(TEXT),
    "dialect": nullable(TEXT),
    "session": nullable(TEXT),
    "mode": nullable(TEXT),
    "model_kind": nullable(TEXT),
    "model": {**nullable(TEXT), "description": "As the client asked for it."},
    "provider": {**nullable(TEXT), "description": "The one that answered, or that was asked last."},
    "target": {**nullable(TEXT), "description": "`provider/model` of that provider."},
    "model_sent": nullable(TEXT),
    "status": {**nullable(INTEGER), "description": "The status sent to the client; null if it disconnected first."},
    "reason": {**nullable(TEXT), "description": "The code of the error; null for an answer."},
    "message": {**nullable(TEXT), "description": "Why the router refused it."},
    "outcome": TEXT,
    "attempts": INTEGER,
    "trail": {**nullable(TEXT), "description": "The attempts that failed."},
    "usage": nullable(ref("Usage")),
    "cost_usd": COST,
    "duration_ms": NUMBER,
    "waited_ms": {**NUMBER, "description": "How much of it the request waited for limits."},
    "first_content_ms": MILLISECONDS,
    "stream": BOOLEAN,
    "path": nullable(TEXT),
}
RECORDED_ATTEMPT = object_schema(
    n=INTEGER,
    provider=TEXT,
    model=TEXT,
    key=nullable(TEXT),
    outcome=enum_of(*Outcome),
    status=nullable(INTEGER),
    error=nullable(TEXT),
    failure=nullable(TEXT),
    ended=TIME,
    first_content_ms=MILLISECONDS,
    duration_ms=MILLISECONDS,
    usage=nullable(ref("Usage")),
    cost_usd=COST,
)

OVERVIEW = object_schema(
    "Rates and waits are those of the exchanges that ended in the last `window_seconds`, at most the last 1,000.",
    window_seconds=NUMBER,
    exchanges={**INTEGER, "description": "Exchanges that ended in the window."},
    requests_per_minute={**NUMBER, "description": "Exchanges that ended in the last 60 seconds."},
    per_minute={**array_of(INTEGER), "description": "Exchanges that ended in each of the last minutes, oldest first."},
    success_rate={**RATE, "description": "After failover: exchanges that ended well."},
    first_attempt_success_rate={**RATE, "description": "Before failover: exchanges whose first attempt ended well."},
    first_content_ms=ref("Percentiles"),
    recoveries={
        "type": "object",
        "additionalProperties": INTEGER,
        "description": "What became of streams that broke: `continued`, `failed`, or why they were not continued.",
    },
    running=INTEGER,
    running_exchanges=array_of(ref("Running")),
    cooldowns=ref("Cooldowns"),
    bans=array_of(ref("Ban")),
    providers=array_of(ref("ProviderHealth")),
    storms=ref("Storms"),
    drift=array_of(ref("Drift")),
    quotas={**array_of(ref("Quota")), "description": "Those that will be used up within a day, the first ones first."},
    sessions=INTEGER,
    faults=array_of(ref("ProviderFault")),
    shared=ref("Shared"),
    demo={**BOOLEAN, "description": "No configuration file was found, and the built-in demo providers serve."},
    kept={**nullable(TEXT), "description": "The file that stores changes made here; null: memory only."},
)

NEW_MODEL = without_others(
    with_optional(
        object_schema(
            id=SHORT_TEXT,
            kind=enum_of(*Kind),
            pool=enum_of(*Pool),
            context={"type": "integer", "minimum": 1, "description": "Tokens."},
        ),
        "kind",
        "pool",
        "context",
    )
)
NEW_PROVIDER_MEMBERS: Schema = {
    "name": {**SHORT_TEXT, "description": "Of the catalog, or one's own."},
    "base_url": {**TEXT, "description": "Everything before /chat/completions; absent: the catalog's."},
    "dialect": enum_of(*Dialect),
    "key": {"type": "string", "minLength": 1, "maxLength": 4096, "format": "password"},
    "variable": {**SHORT_TEXT, "description": "An environment variable of the router that holds the key."},
    "label": SHORT_TEXT,
    "models": {**array_of(ref("NewModel")), "maxItems": 200, "description": "Beside those of the catalog."},
}
OPTIONAL_OF_PROVIDER = tuple(name for name in NEW_PROVIDER_MEMBERS if name != "name")

AMOUNT: Schema = {"type": ["string", "integer"], "description": "Dollars as a decimal number, or a number of tokens."}
BUDGET = with_optional(
    object_schema(
        "Of `usd` and `tokens`, one is there. `left` is what is neither spent nor reserved for running requests.",
        usd=TEXT,
        tokens=INTEGER,
        per=enum_of(*BudgetPeriod),
        zone=TEXT,
        spent=AMOUNT,
        reserved=AMOUNT,
        left=AMOUNT,
        resets=TIME,
    ),
    "usd",
    "tokens",
)
NEW_CLIENT_MEMBERS: Schema = {
    "models": {**nullable(array_of(SHORT_TEXT)), "description": "Globs; absent: all."},
    "limits": {**nullable({"type": "object"}), "description": "`rpm`, `tpm`, `concurrency`."},
    "budgets": {**nullable(array_of({"type": "object"})), "description": "Each `usd` or `tokens`, `per`, `zone`."},
    "on_exhausted": {**nullable(TEXT), "description": "`refuse`, or a mode or model that is asked instead."},
    "priority": {**nullable(INTEGER), "description": "Of its requests that wait for a limit, 1 first."},
    "disabled": nullable(BOOLEAN),
}
CLIENT_MEMBERS: Schema = {
    "name": TEXT,
    "requests": {**INTEGER, "description": "Of all time."},
    "running": INTEGER,
    "usage": ref("Usage"),
    "cost_usd": COST,
    "unpriced": {**INTEGER, "description": "Attempts whose price is not known; they are not in `cost_usd`."},
    "budgets": array_of(ref("Budget")),
    "limits": object_schema(rpm=nullable(INTEGER), tpm=nullable(INTEGER), concurrency=nullable(INTEGER)),
    "last_used": nullable(TIME),
    "models": array_of(TEXT),
    "on_exhausted": TEXT,
    "priority": INTEGER,
    "disabled": BOOLEAN,
    "editable": {**BOOLEAN, "description": "Added here: everything can be changed. Else only `disabled` can."},
    "source": enum_of("file", "override"),
}

FORMER_CLIENT: Schema = object_schema(
    **{member: CLIENT_MEMBERS[member] for member in ("name", "requests", "usage", "cost_usd", "unpriced", "last_used")}
)

SCHEMAS: dict[str, Schema] = {
    "Budget": BUDGET,
    "Client": object_schema(**CLIENT_MEMBERS),
    "FormerClient": FORMER_CLIENT,
    "ClientWithKey": object_schema(**CLIENT_MEMBERS, key={**TEXT, "description": "Kept as a hash alone."}),
    "Clients": with_optional(
        object_schema(
            clients=array_of(ref("Client")), former=array_of(ref("FormerClient")), instances=ref("WhoseFigures")
        ),
        "instances",
    ),
    "NewClient": without_others(
        with_optional(object_schema(name=SHORT_TEXT, **NEW_CLIENT_MEMBERS), *NEW_CLIENT_MEMBERS)
    ),
    "ClientChange": without_others(with_optional(object_schema(**NEW_CLIENT_MEMBERS), *NEW_CLIENT_MEMBERS)),
    "NewModel": NEW_MODEL,
    "NewProvider": without_others(with_optional(object_schema(**NEW_PROVIDER_MEMBERS), *OPTIONAL_OF_PROVIDER)),
    "ProviderTest": without_others(
        with_optional(
            object_schema(**NEW_PROVIDER_MEMBERS, ask={**SHORT_TEXT, "description": "A model to ask for one token."}),
            *OPTIONAL_OF_PROVIDER,
            "ask",
        )
    ),
    "ModelTest": without_others(with_optional(object_schema(ask=SHORT_TEXT), "ask")),
    "OneModelTest": without_others(object_schema(model=SHORT_TEXT)),
    "ModelReport": object_schema(
        ok=BOOLEAN,
        message=TEXT,
        ms=NUMBER,
        first_content_ms=MILLISECONDS,
        tokens_per_second={**nullable(NUMBER), "description": "As measured in the last week."},
        key={**nullable(TEXT), "description": "The label of the key that was used."},
    ),
    "ProviderReport": object_schema(
        "How the provider's list of models, and the model that was asked, responded. Nothing is saved.",
        ok=BOOLEAN,
        status=nullable(INTEGER),
        models={**nullable(INTEGER), "description": "The number of models listed, if known."},
        ms=NUMBER,
        message=TEXT,
        listed={**array_of(TEXT), "description": "Models that chat."},
        asked=nullable(object_schema(model=TEXT, ok=BOOLEAN, ms=NUMBER, message=TEXT)),
    ),
    "Provider": object_schema(
        "`source` says where it comes from; `added` models were added here.",
        name=TEXT,
        base_url=TEXT,
        dialect=enum_of(*Dialect),
        enabled=BOOLEAN,
        keyless=BOOLEAN,
        keys=INTEGER,
        source=enum_of("file", "override"),
        condition=ref("Condition"),
        totals=ref("Totals"),
        models=array_of(object_schema(id=TEXT, enabled=BOOLEAN, added=BOOLEAN)),
    ),
    "Providers": object_schema(
        providers=array_of(ref("Provider")),
        catalog=array_of(
            object_schema(
                name=TEXT,
                base_url=TEXT,
                dialect=enum_of(*Dialect),
                keyless=BOOLEAN,
                local={**BOOLEAN, "description": "A server on this machine."},
                needs_base_url={**BOOLEAN, "description": "A variable of its address is not set."},
                models={**INTEGER, "description": "Models that come with it."},
            )
        ),
        dialects=array_of(TEXT),
    ),
    "Onboarding": object_schema(
        "What is found without reading a file. Keys are given by the names of their variables alone.",
        demo=BOOLEAN,
        kept={**nullable(TEXT), "description": "The file that stores changes made here; null: memory only."},
        keys=array_of(
            object_schema(provider=TEXT, variable=TEXT, configured=BOOLEAN, provider_configured=BOOLEAN),
        ),
        servers=array_of(
            object_schema(
                name=TEXT,
                title=TEXT,
                base_url=TEXT,
                variable=nullable(TEXT),
                configured=BOOLEAN,
                models=array_of(ref("NewModel")),
            )
        ),
        clients=array_of(object_schema(name=TEXT, title=TEXT, command=TEXT)),
        notes=array_of(TEXT),
    ),
    "Error": ERROR,
    "ProviderFault": object_schema(
        "A fault within one provider's entry: it is left out, or its entry from before the reload stays in force.",
        provider=TEXT,
        path=TEXT,
        problem=TEXT,
        in_force=BOOLEAN,
    ),
    "KeyCount": object_schema(usable=INTEGER, total=INTEGER),
    "Percentiles": object_schema(p50=MILLISECONDS, p95=MILLISECONDS),
    "Counts": object_schema(attempts=NUMBER, successes=NUMBER, failures=NUMBER),
    "Cooldown": object_schema(**COOLDOWN),
    "TargetCooldown": object_schema(provider=TEXT, model=TEXT, **COOLDOWN),
    "KeyCooldown": object_schema(provider=TEXT, key=nullable(TEXT), model=nullable(TEXT), invalid=BOOLEAN, **COOLDOWN),
    "Cooldowns": object_schema(targets=array_of(ref("TargetCooldown")), keys=array_of(ref("KeyCooldown"))),
    "Ban": object_schema(session=TEXT, **SCOPE, reason=TEXT, until=TIME),
    "Bans": object_schema(bans=array_of(ref("Ban"))),
    "Storms": object_schema(refused=INTEGER, running=array_of(object_schema(asker=TEXT, refused=INTEGER, until=TIME))),
    "ProviderHealth": PROVIDER_HEALTH,
    "Condition": CONDITION,
    "Totals": TOTALS,
    "Health": object_schema(
        status=enum_of("healthy", "degraded"),
        version=TEXT,
        running=INTEGER,
        started=TIME,
        shared=ref("Shared"),
        refused_file={
            **nullable(object_schema(file=TEXT, faults=ISSUES)),
            "description": "The configuration file as it is now is invalid, and the one before it is in force.",
        },
        providers=array_of(ref("ProviderHealth")),
        storms=ref("Storms"),
    ),
    "Running": object_schema(request_id=TEXT, model=TEXT, started=TIME, stream=BOOLEAN, attempts=INTEGER),
    "Shared": object_schema(
        "Whether state is shared with other instances.",
        state=enum_of("off", "connected", "degraded"),
        instances={**INTEGER, "description": "Alive when the engine last answered, this one included."},
        reason={**nullable(TEXT), "description": "Why it is degraded."},
    ),
    "WhoseFigures": object_schema(
        "Which instances have answered, this one included, and which have not within a second.",
        answered=array_of(TEXT),
        missing=array_of(TEXT),
    ),
    "Instance": object_schema(
        name=TEXT,
        version=TEXT,
        started=TIME,
        running=INTEGER,
        sessions=INTEGER,
        shared=ref("Shared"),
        providers=array_of({"type": "object", "description": "The name and the condition of a provider."}),
    ),
    "Instances": object_schema(
        instances=array_of(ref("Instance")),
        missing={**array_of(TEXT), "description": "Those that did not answer within a second."},
    ),
    "Overview": OVERVIEW,
    "Attempt": ATTEMPT,
    "Usage": USAGE,
    "Exchange": object_schema(**EXCHANGE_MEMBERS, excluded=array_of({"type": "object"})),
    "ExchangeRow": object_schema(
        "An exchange without its excluded candidates; GET one exchange for those.",
        **EXCHANGE_MEMBERS,
        seq={**INTEGER, "description": "Grows by one with each exchange that ends."},
        excluded_count=INTEGER,
    ),
    "Exchanges": object_schema(
        exchanges=array_of(ref("ExchangeRow")), next={**nullable(INTEGER), "description": "`before` for the next page."}
    ),
    "RecordedRequest": with_optional(
        object_schema(
            **REQUEST_MEMBERS,
            instance={
                **TEXT,
                "description": "Which has recorded it, on pages of all instances; `id` is its own number.",
            },
        ),
        "instance",
    ),
    "RecordedAttempt": RECORDED_ATTEMPT,
    "RequestDetails": object_schema(**REQUEST_MEMBERS, attempt_list=array_of(ref("RecordedAttempt"))),
    "Requests": with_optional(
        object_schema(
            requests=array_of(ref("RecordedRequest")),
            next={**nullable(TEXT), "description": "`cursor` for the next page."},
            problem={**nullable(TEXT), "description": "Why there is no data."},
            instances=ref("WhoseFigures"),
        ),
        "instances",
    ),
    "Terms": TERMS,
    "Target": TARGET,
    "Fallback": object_schema(targets=array_of(ref("Target"))),
    "FallbackChange": object_schema(
        "Listed targets come first, in this order; the others keep their order. The answer of GET can be sent back.",
        targets={
            "type": "array",
            "maxItems": 10_000,
            "items": with_optional(
                object_schema(provider=SHORT_TEXT, model=SHORT_TEXT, enabled=BOOLEAN, pool=enum_of(*Pool)),
                "enabled",
                "pool",
            ),
        },
    ),
    "Key": KEY,
    "Quota": QUOTA,
    "Drift": DRIFT,
    "Keys": object_schema(
        keys=array_of(ref("Key")),
        providers={**array_of(TEXT), "description": "Providers that a key can be added to, configured ones first."},
    ),
    "NewKey": without_others(
        with_optional(
            object_schema(
                provider=SHORT_TEXT,
                value={"type": "string", "minLength": 1, "maxLength": 4096, "format": "password"},
                label=SHORT_TEXT,
                enabled=BOOLEAN,
            ),
            "label",
            "enabled",
        )
    ),
    "KeyChange": without_others(with_optional(object_schema(label=SHORT_TEXT, enabled=BOOLEAN), "label", "enabled")),
    "KeyTest": object_schema(
        "How the provider's model list responded to this key.",
        ok=BOOLEAN,
        status=nullable(INTEGER),
        models={**nullable(INTEGER), "description": "The number of models listed, if known."},
        ms=NUMBER,
        message=TEXT,
    ),
    "Setting": SETTING,
    "Settings": object_schema(
        settings=array_of(ref("Setting")),
        file={**nullable(TEXT), "description": "The configuration file, if there is one."},
        kept={**nullable(TEXT), "description": "The file that stores changes made here; null: memory only."},
        warnings=array_of(TEXT),
        faults=array_of(ref("ProviderFault")),
    ),
    "Entry": object_schema(settings=array_of(ref("Setting"))),
    "SettingsChange": {
        "type": "object",
        "description": 'In the form of the file: {"routing": {"default_mode": "smart"}}. null reverts a change.',
        "additionalProperties": {"type": ["object", "null"]},
    },
    "Session": object_schema(
        session=TEXT,
        source=TEXT,
        used=TIME,
        expires=TIME,
        client=nullable(TEXT),
        model={**TEXT, "description": "Asked for last."},
        turns={**INTEGER, "description": "Answers that its client has received."},
        words={**nullable(TEXT), "description": "The first words of the conversation, where sticky.show_words is set."},
        pin=nullable(object_schema(provider=TEXT, model=TEXT, key=nullable(TEXT))),
        failures={"type": "object", "additionalProperties": INTEGER},
        bans=array_of(object_schema(**SCOPE, reason=TEXT, until=TIME)),
    ),
    "Sessions": object_schema(
        "Most recently used first.",
        sessions=array_of(ref("Session")),
        stats={"type": "object", "description": "Counters since the start."},
    ),
    "Cleared": object_schema(cleared=INTEGER),
    "AnalyticsRow": ANALYTICS_ROW,
    "Analytics": with_optional(
        object_schema(
            window=enum_of("1h", "24h", "7d", "30d"),
            by=TEXT,
            rows=array_of(ref("AnalyticsRow")),
            total={**nullable(ref("AnalyticsRow")), "description": "Of all groups; null: there are none."},
            dropped={**INTEGER, "description": "Attempts that could not be recorded since the start."},
            problem={**nullable(TEXT), "description": "Why there is no data."},
            instances=ref("WhoseFigures"),
        ),
        "instances",
    ),
    "Series": object_schema(
        name=TEXT, attempts=array_of(INTEGER), success_rate=array_of(RATE), first_content_ms=array_of(MILLISECONDS)
    ),
    "Traffic": object_schema(
        "`at` has the start of each time step; each series has one value per step. The targets with the most attempts"
        " come first, `others` last. `first_content_ms` is the median.",
        window=enum_of("1h", "24h", "7d", "30d"),
        step_seconds=NUMBER,
        at=array_of(TIME),
        total=ref("Series"),
        series=array_of(ref("Series")),
        problem=nullable(TEXT),
    ),
    "Availability": object_schema(
        "`at` has the start of each half hour; each provider has one value per half hour.",
        step_seconds=NUMBER,
        at=array_of(TIME),
        providers=array_of(ref("Series")),
        problem=nullable(TEXT),
    ),
    "Login": without_others(object_schema(admin_key={"type": "string", "maxLength": 4096, "format": "password"})),
    "SignInLink": object_schema("`path` begins a session once, until `expires`.", path=TEXT, expires=TIME),
    "Me": object_schema(
        "`csrf` is the value of the header X-CSRF-Token, which every request but GET needs in a cookie session; null"
        " if the admin key itself was sent.",
        by=enum_of("key", "session"),
        csrf=nullable(TEXT),
        expires=nullable(TIME),
        version=TEXT,
    ),
}
