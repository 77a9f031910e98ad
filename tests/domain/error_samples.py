"""Error answers as their makers send them, and what each means.

`SAMPLES` has at least one for every row of `error_patterns`, and those that no row fits (`pattern` is None).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.config.enums import Dialect
from pointsman.domain.failures import Failure

CHAT, RESPONSES, CLAUDE, GOOGLE = Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI


@dataclass(frozen=True)
class Sample:
    """One answer of a provider that was asked for `model` in `dialect`. `body` is sent as it is."""

    pattern: str | None
    """The name of the row that fits."""
    maker: str
    dialect: Dialect
    model: str
    status: int
    body: bytes = field(repr=False)
    expected: Failure
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.maker}-{self.status}-{self.expected.value}-{self.pattern or 'no row'}"


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def openai(
    pattern: str | None,
    expected: Failure,
    status: int,
    message: str,
    *,
    maker: str = "OpenAI",
    code: str | int | None = None,
    type: str | None = "invalid_request_error",
    model: str = "gpt-4o",
    dialect: Dialect = CHAT,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Sample:
    body = _json({"error": {"message": message, "type": type, "param": None, "code": code, **more}})
    return Sample(
        pattern, maker, dialect, model, status, body, expected, {"content-type": "application/json", **(headers or {})}
    )


def claude(
    pattern: str | None,
    expected: Failure,
    status: int,
    message: str,
    type: str = "invalid_request_error",
    model: str = "claude-sonnet-4-5",
) -> Sample:
    body = _json({"type": "error", "error": {"type": type, "message": message}, "request_id": "req_011CS"})
    return Sample(pattern, "Anthropic", CLAUDE, model, status, body, expected, {"content-type": "application/json"})


def google(
    pattern: str | None,
    expected: Failure,
    status: int,
    message: str,
    word: str,
    *details: Mapping[str, object],
    model: str = "gemini-2.5-pro",
    dialect: Dialect = GOOGLE,
) -> Sample:
    error = {"code": status, "message": message, "status": word, **({"details": details} if details else {})}
    document = {"error": error}
    body = _json(document if dialect is GOOGLE else [document])  # a list at the endpoint for OpenAI's clients
    return Sample(pattern, "Google", dialect, model, status, body, expected, {"content-type": "application/json"})


def router(
    pattern: str | None, expected: Failure, status: int, message: str, *, model: str = "x/big:free", **metadata: object
) -> Sample:
    error = {"message": message, "code": status, **({"metadata": metadata} if metadata else {})}
    body = _json({"error": error, "user_id": "user_2x"})
    return Sample(pattern, "OpenRouter", CHAT, model, status, body, expected, {"content-type": "application/json"})


def plain(expected: Failure, status: int, body: str, maker: str, content_type: str = "text/html") -> Sample:
    return Sample(None, maker, CHAT, "m", status, body.encode(), expected, {"content-type": content_type})


def body(
    pattern: str | None,
    expected: Failure,
    status: int,
    document: object,
    maker: str,
    model: str = "m",
    dialect: Dialect = CHAT,
) -> Sample:
    """A document in a form of its maker's own; a text is sent as plain text."""
    is_text = isinstance(document, str)
    content = document.encode() if isinstance(document, str) else _json(document)
    content_type = "text/plain" if is_text else "application/json"
    return Sample(pattern, maker, dialect, model, status, content, expected, {"content-type": content_type})


def quota(*ids: str) -> Mapping[str, object]:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    violations = [{"quotaMetric": metric, "quotaId": each, "quotaValue": "50"} for each in ids]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def reason(word: str) -> Mapping[str, object]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


OVER_QUOTA = "You exceeded your current quota, please check your plan and billing details."
GROQ_TYPE = "tokens"

STATE = (
    openai(
        "foreign encrypted content",
        Failure.FOREIGN_STATE,
        400,
        "Invalid encrypted content for item rs_1",
        maker="gateways",
        dialect=RESPONSES,
    ),
    claude(
        "foreign signature",
        Failure.FOREIGN_STATE,
        400,
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    claude(
        "foreign signature",
        Failure.FOREIGN_STATE,
        400,
        "messages.3.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response.",
    ),
    openai(
        "foreign encrypted content",
        Failure.FOREIGN_STATE,
        400,
        "The encrypted content gAAA...x could not be verified. Reason: Encrypted content could not be decrypted or "
        "parsed.",
        code="invalid_encrypted_content",
        dialect=RESPONSES,
    ),
    openai(
        "foreign encrypted content",
        Failure.FOREIGN_STATE,
        400,
        "The encrypted content for item rs_1 could not be verified.",
        dialect=RESPONSES,
    ),
    google(
        "foreign thought signature", Failure.FOREIGN_STATE, 400, "Thought signature is not valid.", "INVALID_ARGUMENT"
    ),
    google(
        "foreign thought signature",
        Failure.FOREIGN_STATE,
        400,
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work.",
        "INVALID_ARGUMENT",
    ),
)

MISTAKES = (
    openai(
        "unknown id",
        Failure.UNKNOWN_ID,
        400,
        "Previous response with id 'resp_1' not found.",
        code="previous_response_not_found",
        dialect=RESPONSES,
    ),
    openai("unknown id", Failure.UNKNOWN_ID, 404, "Previous response with id 'resp_1' not found.", dialect=RESPONSES),
    claude(
        "unanswered tool call",
        Failure.REQUEST,
        400,
        "messages.2: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    openai(
        "unanswered tool call",
        Failure.REQUEST,
        400,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
    ),
    openai(
        "unanswered tool call",
        Failure.REQUEST,
        400,
        "No tool output found for function call call_1.",
        dialect=RESPONSES,
    ),
    claude("unreadable image", Failure.REQUEST, 400, "messages.0.content.1.image.source: Could not process image"),
    openai(
        "unreadable image", Failure.REQUEST, 400, "Failed to fetch image from url: 429 Too Many Requests", maker="vLLM"
    ),
    google("unreadable image", Failure.REQUEST, 400, "Unable to process input image.", "INVALID_ARGUMENT"),
    openai(
        "wrong schema of a tool",
        Failure.REQUEST,
        400,
        "Invalid schema for function 'quota': schema must be a JSON Schema of 'type: \"object\"'.",
        code="invalid_function_parameters",
    ),
    openai(
        "wrong schema of a tool",
        Failure.REQUEST,
        400,
        "Missing required parameter: 'tools[0].function.description'.",
        code="missing_required_parameter",
    ),
    openai(None, Failure.REQUEST, 400, "Tool 'quota' is not among the tools", code="invalid_value"),
    openai(None, Failure.REQUEST, 400, "Invalid value: 'insufficient balance'. Expected an object."),
    openai("unknown id", Failure.UNKNOWN_ID, 400, "The file file-abc does not exist.", code="invalid_file"),
    openai(None, Failure.REQUEST, 422, "messages.0.role: Field required"),
    claude(None, Failure.REQUEST, 400, "tools.0.custom.description: missing description of tool rate_limit"),
    claude(
        None,
        Failure.REQUEST,
        400,
        "tools.0.input_schema: property `truncation` of `context` is not in `required`",
    ),
)

AMOUNTS = (
    router(
        "fewer tokens",
        Failure.UNAFFORDABLE,
        402,
        "Prompt tokens limit exceeded: 12000 > 4000. To increase, visit https://openrouter.ai/settings/credits",
    ),
    openai(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model",
        maker="Groq",
        model="llama-3.3-70b-versatile",
    ),
    router(
        "fewer tokens",
        Failure.UNAFFORDABLE,
        402,
        "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can "
        "only afford "
        "3919. To increase, visit https://openrouter.ai/settings/credits and add more credits",
    ),
    claude(
        "long context at extra cost",
        Failure.REFUSED,
        429,
        "Extra usage is required for long context requests.",
        "rate_limit_error",
    ),
    claude(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5",
    ),
    openai(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided "
        "100000.",
        code="invalid_value",
    ),
    openai(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        maker="DeepSeek",
        model="deepseek-chat",
    ),
    claude("window", Failure.CONTEXT_TOO_LARGE, 400, "prompt is too long: 208310 tokens > 200000 maximum"),
    claude(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or "
        "`max_tokens` and try again",
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 "
        "tokens. Please "
        "reduce the length of the messages.",
        code="context_length_exceeded",
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "Please reduce the length of the messages or completion.",
        maker="Groq",
        code="context_length_exceeded",
        model="llama-3.3-70b-versatile",
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "the request exceeds the available context size, try increasing it",
        maker="llama.cpp",
        type="exceed_context_size_error",
        code=400,
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        500,
        "input exceeds the context window",
        maker="gateways",
        type="server_error",
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "Range of input length should be [1, 129024]",
        maker="Alibaba",
        code="invalid_parameter_error",
    ),
    google(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).",
        "INVALID_ARGUMENT",
    ),
    openai(
        "more than a minute's tokens",
        Failure.REQUEST_TOO_LARGE,
        413,
        "Request too large for model `openai/gpt-oss-20b` in organization `org_01` service tier `on_demand` on "
        "tokens per "
        "minute (TPM): Limit 8000, Requested 14000, please reduce your message size and try again.",
        maker="Groq",
        code="rate_limit_exceeded",
        type="tokens",
        model="openai/gpt-oss-20b",
    ),
    openai(
        "more than a minute's tokens",
        Failure.REQUEST_TOO_LARGE,
        429,
        "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 40811. The "
        "input or output tokens must be reduced in order to run successfully.",
        code="rate_limit_exceeded",
        type="tokens",
    ),
    claude(
        None,
        Failure.REQUEST_TOO_LARGE,
        413,
        "Request exceeds the maximum allowed number of bytes.",
        "request_too_large",
    ),
    plain(
        Failure.REQUEST_TOO_LARGE,
        413,
        "<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>",
        "nginx",
    ),
)

LIMITS = (
    claude(
        "usage of a plan",
        Failure.KEY_QUOTA,
        400,
        "You have reached your specified API usage limits. You will regain access on 2099-01-01 at 00:00 UTC.",
    ),
    router(
        "usage of a plan",
        Failure.KEY_QUOTA,
        403,
        "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys",
    ),
    openai(
        "allocated quota",
        Failure.RATE_LIMIT,
        429,
        "Allocated quota exceeded, please increase your quota limit.",
        maker="Alibaba",
        code="insufficient_quota",
        model="qwen-max",
    ),
    openai(
        "free tier of a model",
        Failure.QUOTA,
        403,
        "The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, "
        'please disable the "use free tier only" mode in the management console.',
        maker="Alibaba",
        code="AllocationQuota.FreeTierOnly",
        model="qwen-max",
    ),
    claude(
        "organization's tokens per minute",
        Failure.RATE_LIMIT,
        429,
        "This request would exceed the rate limit for your organization (org_01) of 30,000 input tokens per minute.",
        "rate_limit_error",
    ),
    claude(
        "concurrency",
        Failure.CONCURRENCY,
        429,
        "Number of concurrent connections has exceeded your rate limit. Please try again later or contact sales.",
        "rate_limit_error",
    ),
    openai(
        "a day's limit of an account",
        Failure.KEY_QUOTA,
        429,
        "You are using a Trial key, which is limited to 1000 API calls / month.",
        maker="Cohere",
        model="command-a",
    ),
    openai(
        "concurrency",
        Failure.CONCURRENCY,
        429,
        "Too many concurrent requests, please reduce concurrency",
        maker="Zhipu",
        code="1302",
        model="glm-4.6",
    ),
    openai(
        "concurrency",
        Failure.CONCURRENCY,
        429,
        "Your account org-1 request reached max organization concurrency: 3, please try again after 1 seconds",
        maker="Moonshot",
        type="rate_limit_reached_error",
        model="kimi-k2",
    ),
    openai(
        "concurrency",
        Failure.CONCURRENCY,
        429,
        "Max parallel request limit reached Limit type: max_parallel_requests. Current limit: 2",
        maker="LiteLLM",
        type="None",
        code="429",
    ),
    google(
        "a day's quota of a model",
        Failure.QUOTA,
        429,
        OVER_QUOTA,
        "RESOURCE_EXHAUSTED",
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
    ),
    google(
        "a day's quota of a project",
        Failure.KEY_QUOTA,
        429,
        OVER_QUOTA,
        "RESOURCE_EXHAUSTED",
        quota("GenerateRequestsPerDayPerProject"),
        dialect=CHAT,
    ),
    google(
        "a minute's quota of a model",
        Failure.RATE_LIMIT,
        429,
        OVER_QUOTA,
        "RESOURCE_EXHAUSTED",
        quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", "GenerateRequestsPerMinutePerProjectPerModel"),
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "29s"},
    ),
    google(
        "a minute's quota of a project",
        Failure.KEY_RATE_LIMIT,
        429,
        OVER_QUOTA,
        "RESOURCE_EXHAUSTED",
        quota("GenerateRequestsPerMinutePerProject"),
    ),
    google("rate", Failure.RATE_LIMIT, 429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"),
    router(
        "upstream of an aggregator",
        Failure.RATE_LIMIT,
        429,
        "Provider returned error",
        raw="x/big:free is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate "
        "your rate limits: https://openrouter.ai/settings/integrations",
        provider_name="Chutes",
    ),
    router(
        "usage of a plan",
        Failure.KEY_QUOTA,
        429,
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
        headers={"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1761523200000"},
    ),
    router("all models of a key", Failure.KEY_RATE_LIMIT, 429, "Rate limit exceeded: free-models-per-min. "),
    openai("rate of an account", Failure.KEY_RATE_LIMIT, 429, "API key rate limit exceeded", maker="gateways"),
    *(
        openai("concurrency", Failure.CONCURRENCY, 429, message, maker="gateways")
        for message in (
            "You have reached the maximum number of concurrent requests",
            "Too many requests in parallel",
            "Parallel request limit exceeded for model gpt-4o",
        )
    ),
    openai(
        "usage of a plan",
        Failure.KEY_QUOTA,
        429,
        "The usage limit has been reached",
        maker="OpenAI Codex",
        type="usage_limit_reached",
        dialect=RESPONSES,
        model="gpt-5-codex",
        plan_type="plus",
        resets_in_seconds=7200,
    ),
    openai(
        "usage of a plan",
        Failure.KEY_QUOTA,
        429,
        "Usage limit reached for 5 hour. Your limit will reset at 2026-01-06 14:12:11",
        maker="Zhipu",
        code="1308",
        model="glm-4.6",
    ),
    openai(
        "tokens of a day of a model",
        Failure.QUOTA,
        429,
        "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_01` service tier "
        "`on_demand` on tokens "
        "per day (TPD): Limit 100000, Used 99336, Requested 1500. Please try again in 12m2.304s.",
        maker="Groq",
        type="tokens",
        code="rate_limit_exceeded",
        model="llama-3.3-70b-versatile",
        headers={"retry-after": "722"},
    ),
    openai(
        "rate of a model",
        Failure.RATE_LIMIT,
        429,
        "Rate limit reached for model `llama-3.3-70b-versatile` in organization `org_01` service tier "
        "`on_demand` on tokens "
        "per minute (TPM): Limit 12000, Used 11000, Requested 2500. Please try again in 7.5s.",
        maker="Groq",
        type="tokens",
        code="rate_limit_exceeded",
        model="llama-3.3-70b-versatile",
        headers={"retry-after": "8"},
    ),
    openai(
        "rate of a model",
        Failure.RATE_LIMIT,
        429,
        "Rate limit reached for gpt-4o in organization org-1 on requests per min (RPM): Limit 3, Used 3, Requested 1. "
        "Please try again in 20s.",
        type="requests",
        code="rate_limit_exceeded",
    ),
    Sample(
        "a day's limit of an account",
        "Cohere",
        CHAT,
        "command-a",
        429,
        _json({"message": "You are using a Trial key, which is limited to 1000 API calls / month for this key."}),
        Failure.KEY_QUOTA,
        {"content-type": "application/json"},
    ),
    openai(
        "a day's limit",
        Failure.QUOTA,
        429,
        "you have used up your daily free allocation of 10,000 neurons, limit reached",
        maker="Cloudflare",
        code="3036",
        type=None,
        model="@cf/meta/llama-3.1-8b-instruct",
    ),
    claude(
        "organization's tokens per minute",
        Failure.RATE_LIMIT,
        429,
        "This request would exceed your organization's rate limit of 50,000 input tokens per minute. For "
        "details, refer "
        "to: https://docs.claude.com/en/api/rate-limits.",
        "rate_limit_error",
    ),
    openai(
        "rate of an account",
        Failure.KEY_RATE_LIMIT,
        429,
        "Organization-level rate limit exceeded",
        maker="gateways",
        type="rate_limit_error",
    ),
    openai(
        "rate of an account",
        Failure.KEY_RATE_LIMIT,
        400,
        "Quota exceeded for this project",
        maker="gateways",
        type=None,
    ),
    openai("rate", Failure.RATE_LIMIT, 403, "Too many requests, slow down", maker="gateways", type=None),
    openai("rate", Failure.RATE_LIMIT, 429, "Rate limit exceeded", code="rate_limit_exceeded", type="requests"),
    openai(None, Failure.RATE_LIMIT, 429, "Slow down", maker="gateways", type=None),
)

ACCOUNTS = (
    openai(
        "credit",
        Failure.ACCOUNT,
        403,
        "Your newly created team doesn't have any credits or licenses yet. You can purchase those on the console.",
        maker="xAI",
        type=None,
        model="grok-4",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        429,
        "Your team 1 has either used all available credits or reached its monthly spending limit. To continue making "
        "API requests, please purchase more credits or raise your spending limit.",
        maker="xAI",
        type=None,
        model="grok-4",
    ),
    openai(
        "credit", Failure.ACCOUNT, 503, "Insufficient account balance", maker="gateways", code="insufficient_balance"
    ),
    openai("billing", Failure.ACCOUNT, 500, OVER_QUOTA, maker="gateways", code="insufficient_quota"),
    openai("key", Failure.KEY_INVALID, 500, "Incorrect API key provided: sk-x.", maker="gateways", type=None),
    google(
        "closed account",
        Failure.ACCOUNT,
        403,
        "Your project has been denied access. Please contact support.",
        "PERMISSION_DENIED",
    ),
    claude(
        "credit",
        Failure.ACCOUNT,
        400,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
        "purchase "
        "credits.",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        402,
        "Insufficient Balance",
        maker="DeepSeek",
        type="unknown_error",
        code="invalid_request_error",
        model="deepseek-chat",
    ),
    router(
        "credit",
        Failure.ACCOUNT,
        402,
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        429,
        "余额不足或无可用资源包,请充值。",
        maker="Zhipu",
        code="1113",
        type=None,
        model="glm-4.6",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        429,
        "Your account org-1 is not active, current state: suspended, please check your plan and billing details",
        maker="Moonshot",
        type="exceeded_current_quota_error",
        model="kimi-k2",
    ),
    Sample(
        "credit",
        "OpenCode",
        CLAUDE,
        "claude-sonnet-4-5",
        401,
        _json({"type": "error", "error": {"type": "CreditsError", "message": "Insufficient balance. Manage billing."}}),
        Failure.ACCOUNT,
        {"content-type": "application/json"},
    ),
    openai(
        "billing",
        Failure.ACCOUNT,
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        type="insufficient_quota",
        code="insufficient_quota",
    ),
    openai(
        "billing",
        Failure.ACCOUNT,
        400,
        "Billing hard limit has been reached",
        code="billing_hard_limit_reached",
    ),
    openai("billing", Failure.ACCOUNT, 403, "You have reached your monthly spending limit", maker="xAI", type=None),
    google(
        "billing",
        Failure.ACCOUNT,
        403,
        "This API method requires billing to be enabled.",
        "PERMISSION_DENIED",
        reason("BILLING_DISABLED"),
    ),
    openai(
        "arrears",
        Failure.ACCOUNT,
        400,
        "Access denied, please make sure your account is in good standing.",
        maker="Alibaba",
        type="Arrearage",
        code="Arrearage",
        model="qwen-max",
    ),
    claude("closed account", Failure.ACCOUNT, 400, "This organization has been disabled."),
    claude(
        "closed account",
        Failure.ACCOUNT,
        403,
        "OAuth authentication is currently not allowed for this organization.",
        "permission_error",
    ),
    openai(
        "closed account",
        Failure.ACCOUNT,
        401,
        "The OpenAI account associated with this API key has been deactivated.",
        code="account_deactivated",
    ),
    google(
        "closed account",
        Failure.ACCOUNT,
        403,
        "Permission denied: Consumer 'project:1' has been suspended.",
        "PERMISSION_DENIED",
        reason("CONSUMER_SUSPENDED"),
    ),
    google(
        "validation",
        Failure.ACCOUNT,
        403,
        "Verify your account to continue.",
        "PERMISSION_DENIED",
        reason("VALIDATION_REQUIRED"),
    ),
    openai(None, Failure.ACCOUNT, 402, "Please top up", maker="gateways", type=None),
    openai("credit", Failure.ACCOUNT, 429, "You have no credits left", maker="gateways", type=None),
    openai("credit", Failure.ACCOUNT, 403, "The user balance is not enough", maker="gateways", type=None),
    openai("billing", Failure.ACCOUNT, 403, "Payment method required", maker="gateways", type=None),
    openai("billing", Failure.ACCOUNT, 403, "overdue-payment", maker="gateways", type=None),
    openai("billing", Failure.ACCOUNT, 403, "Subscription expired", maker="gateways", type=None),
    openai("closed account", Failure.ACCOUNT, 403, "Account deactivated", maker="gateways", type=None),
    google(
        "billing",
        Failure.ACCOUNT,
        403,
        "This API method requires billing to be enabled. Please enable billing on project #1.",
        "PERMISSION_DENIED",
    ),
)

KEYS = (
    google(
        "key",
        Failure.KEY_INVALID,
        400,
        "API key not valid. Please pass a valid API key.",
        "INVALID_ARGUMENT",
        reason("API_KEY_INVALID"),
    ),
    google(
        "key",
        Failure.KEY_INVALID,
        400,
        "API key expired. Please renew the API key.",
        "INVALID_ARGUMENT",
        reason("API_KEY_INVALID"),
        dialect=CHAT,
    ),
    openai(
        "key",
        Failure.KEY_INVALID,
        401,
        "Incorrect API key provided: sk-abc***xyz. You can find your API key at https://platform.openai.com.",
        code="invalid_api_key",
    ),
    claude("key", Failure.KEY_INVALID, 401, "invalid x-api-key", "authentication_error"),
    claude("key", Failure.KEY_INVALID, 403, "OAuth token has been revoked. Please sign in again.", "permission_error"),
    openai("key", Failure.KEY_INVALID, 403, "Token has expired", maker="gateways", code="token_expired", type=None),
    openai("key", Failure.KEY_INVALID, 400, "Unauthorized", maker="gateways", type=None),
    openai(
        "refused credential", Failure.KEY_INVALID, 403, "This credential is not known here", maker="gateways", type=None
    ),
    openai("refused credential", Failure.KEY_INVALID, 401, "No credentials provided", maker="gateways", type=None),
    plain(Failure.KEY_INVALID, 401, "no", "gateways", "text/plain"),
    openai(
        "no access",
        Failure.NO_ACCESS,
        403,
        "Project `proj_1` does not have access to model `gpt-4o`",
        code="model_not_found",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        404,
        "The model `gpt-4o` does not exist or you do not have access to it.",
        code="model_not_found",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        400,
        "Your organization must be verified to use the model `gpt-5`. Please go to the settings and click on Verify "
        "Organization.",
        model="gpt-5",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        401,
        "key not allowed to access model. This key can only access models=['small']. Tried to access big",
        maker="LiteLLM",
        type="key_model_access_denied",
        code="401",
        model="big",
    ),
    openai("no access", Failure.NO_ACCESS, 403, "Your account may not use this model.", maker="a gateway"),
    openai("no access", Failure.NO_ACCESS, 403, "No access to model: o1", maker="GitHub", code="no_access", model="o1"),
    *(
        openai("no access", Failure.NO_ACCESS, status, message, maker="gateways", type=None)
        for status, message in (
            (403, "Key has insufficient permissions for model gpt-4o"),
            (403, "Access denied for model gpt-4o"),
            (403, "This model is not available for your account"),
            (400, "Your plan does not support model gpt-4o"),
            (403, "Upgrade your plan to use gpt-4o"),
            (404, "This model is only available to paid users"),
        )
    ),
    google("no access", Failure.NO_ACCESS, 403, "The caller does not have permission", "PERMISSION_DENIED"),
    *(
        google("key", Failure.KEY_INVALID, status, message, "PERMISSION_DENIED")
        for status, message in (
            (400, "API Key not found. Please pass a valid API key."),
            (403, "Method doesn't allow unregistered callers (callers without established identity)."),
            (
                403,
                "Requests to this API generativelanguage.googleapis.com method "
                "google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent are blocked.",
            ),
        )
    ),
    *(
        openai("key", Failure.KEY_INVALID, 400, message, maker="gateways", type=None)
        for message in (
            "Unknown API key",
            "The API key does not exist",
            "Key expired",
            "Not authenticated",
            "Missing Authentication header",
        )
    ),
)

PLACES = (
    google("region", Failure.REGION, 400, "User location is not supported for the API use.", "FAILED_PRECONDITION"),
    openai(
        "region",
        Failure.REGION,
        403,
        "Country, region, or territory not supported",
        code="unsupported_country_region_territory",
        type="request_forbidden",
    ),
    openai("region", Failure.REGION, 403, "Access from your region is not allowed", maker="gateways", type=None),
    openai("region", Failure.REGION, 403, "Country not supported", maker="gateways", type=None),
)

MODELS = (
    openai(
        "no access",
        Failure.NO_ACCESS,
        403,
        "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: "
        "arn:aws:bedrock:us-east-1::foundation-model/m because no identity-based policy allows the action",
        maker="Amazon",
        type=None,
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        400,
        "The requested model is not supported.",
        maker="GitHub",
        code="model_not_supported",
    ),
    openai("some model not found", Failure.NOT_FOUND, 400, "The provided model identifier is invalid.", maker="Amazon"),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        400,
        "Invalid model name passed in model=gpt-4o. Call `/v1/models` to view available models for your key.",
        maker="LiteLLM",
    ),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        410,
        "The model 'gpt-4o' has reached its end of life on 2025-10-01 and is no longer available.",
        maker="NVIDIA",
    ),
    router(
        "another way to ask a model",
        Failure.REFUSED,
        404,
        "No endpoints found that support tool use. To learn more about provider routing, visit: "
        "https://openrouter.ai/docs",
    ),
    router("another way to ask a model", Failure.REFUSED, 404, "No endpoints found that support image input"),
    router(
        "another way to ask a model",
        Failure.REFUSED,
        404,
        "No endpoints found matching your data policy (Free model publication). Configure: "
        "https://openrouter.ai/settings/privacy",
    ),
    openai(
        "model gone",
        Failure.MODEL_GONE,
        400,
        "The model `mixtral-8x7b-32768` has been decommissioned and is no longer supported.",
        maker="Groq",
        code="model_decommissioned",
        model="mixtral-8x7b-32768",
    ),
    openai(
        "model gone",
        Failure.MODEL_GONE,
        404,
        "The API deployment for this resource does not exist.",
        maker="Azure",
        code="DeploymentNotFound",
        type=None,
    ),
    openai("model gone", Failure.MODEL_GONE, 400, "模型不存在", maker="Zhipu", code="1211", type=None, model="glm-3"),
    router("named model gone", Failure.MODEL_GONE, 400, "x/big:free is not a valid model ID"),
    router("named model gone", Failure.MODEL_GONE, 404, "No endpoints found for x/big:free."),
    google(
        "named model gone",
        Failure.MODEL_GONE,
        404,
        "models/gemini-1.0-pro is not found for API version v1beta, or is not supported for generateContent. Call "
        "ListModels to see the list of available models and their supported methods.",
        "NOT_FOUND",
        model="gemini-1.0-pro",
    ),
    claude("named model gone", Failure.MODEL_GONE, 404, "model: claude-2", "not_found_error", "claude-2"),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        404,
        "The model `m` does not exist.",
        maker="vLLM",
        type="NotFoundError",
        code=404,
        model="m",
    ),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        404,
        "model 'llama3:8b' not found",
        maker="Ollama",
        type="api_error",
        model="llama3:8b",
    ),
    openai(
        "some model not found",
        Failure.NOT_FOUND,
        400,
        "Model Not Exist",
        maker="DeepSeek",
        code="invalid_request_error",
        model="deepseek-v9",
    ),
    openai(
        "some model not found",
        Failure.NOT_FOUND,
        404,
        "Model not found, inaccessible, and/or not deployed",
        maker="Fireworks",
        code="NOT_FOUND",
        type="error",
        model="accounts/fireworks/models/x",
    ),
    openai("unknown id", Failure.UNKNOWN_ID, 404, "The file file-1 does not exist", type=None),
    openai(None, Failure.NOT_FOUND, 404, "The assistant asst_1 does not exist", type=None),
    openai(None, Failure.NOT_FOUND, 404, "Tool `m` does not exist for this thread", type=None, model="big"),
    openai(None, Failure.NOT_FOUND, 404, "Invalid URL (POST /chat/completions)", type="invalid_request_error"),
    plain(Failure.NOT_FOUND, 404, "<html><body><h1>404 Not Found</h1></body></html>", "nginx"),
    plain(Failure.NOT_FOUND, 410, "Gone", "gateways", "text/plain"),
    plain(Failure.REFUSED, 400, "<html><center><h1>400 Bad Request</h1></center></html>", "nginx"),
    plain(Failure.REFUSED, 422, "", "gateways", "text/plain"),
    plain(Failure.REQUEST, 422, "missing field `messages` at line 1 column 2", "Rust servers", "text/plain"),
)

CONTENT = (
    openai(
        "maker's policy",
        Failure.CONTENT_POLICY,
        400,
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a "
        "different prompt.",
        code="invalid_prompt",
    ),
    openai(
        "maker's policy",
        Failure.CONTENT_POLICY,
        400,
        "Your request was rejected as a result of our safety system.",
        code="content_policy_violation",
    ),
    claude("maker's policy", Failure.CONTENT_POLICY, 400, "Output blocked by content filtering policy"),
    openai(
        "maker's policy",
        Failure.CONTENT_POLICY,
        403,
        "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
        maker="xAI",
        type=None,
        model="grok-4",
    ),
    openai(
        "host's filter",
        Failure.CONTENT_FILTER,
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify "
        "your prompt and retry.",
        maker="Azure",
        type=None,
        code="content_filter",
        innererror={"code": "ResponsibleAIPolicyViolation"},
    ),
    router(
        "host's filter",
        Failure.CONTENT_FILTER,
        403,
        'x/big requires moderation on OpenInference. Your input was flagged for "quota/violence".',
        reasons=["violence"],
        flagged_input="Your credit balance is too low",
        provider_name="OpenInference",
    ),
    openai(
        "host's filter",
        Failure.CONTENT_FILTER,
        400,
        "Input data may contain inappropriate content.",
        maker="Alibaba",
        code="data_inspection_failed",
        model="qwen-max",
    ),
    openai(
        "host's filter", Failure.CONTENT_FILTER, 400, "Content Exists Risk", maker="DeepSeek", model="deepseek-chat"
    ),
    openai(None, Failure.FORBIDDEN, 403, "Forbidden", maker="gateways", type=None),
    plain(Failure.FORBIDDEN, 403, "<html>Bad API key? Sorry, you have been blocked</html>", "Cloudflare"),
)

FEATURES = (
    openai(
        "unsupported parameter",
        Failure.REFUSED,
        400,
        "property 'reasoning' is unsupported",
        maker="Groq",
        model="llama-3.3-70b-versatile",
    ),
    google(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "INVALID_ARGUMENT",
        model="gemma-3-27b-it",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Invocation of model ID anthropic.claude-opus-4 with on-demand throughput isn\u2019t supported. Retry your "
        "request with the ID or ARN of an inference profile that contains this model.",
        maker="Amazon",
        model="anthropic.claude-opus-4",
    ),
    openai(
        "unsupported parameter",
        Failure.REFUSED,
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        code="unsupported_parameter",
    ),
    openai("unsupported parameter", Failure.REFUSED, 400, "Unrecognized request argument supplied: truncation"),
    openai(
        "unsupported parameter",
        Failure.REFUSED,
        400,
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        code="unsupported_value",
    ),
    claude("unsupported parameter", Failure.REFUSED, 400, "context_management: Extra inputs are not permitted"),
    google(
        "unsupported parameter",
        Failure.REFUSED,
        400,
        'Invalid JSON payload received. Unknown name "quota": Cannot find field.',
        "INVALID_ARGUMENT",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "registry.ollama.ai/library/gemma:2b does not support tools",
        maker="Ollama",
        type="api_error",
        model="gemma:2b",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        maker="vLLM",
        type="BadRequestError",
        code=400,
        model="m",
    ),
    openai(None, Failure.REFUSED, 405, "Method Not Allowed", maker="gateways", type=None),
    openai(
        "answer cut short",
        Failure.TRUNCATED,
        500,
        "The answer was truncated",
        maker="gateways",
        type="server_error",
    ),
    openai(None, Failure.SERVER_ERROR, 500, "The tool 'truncated' failed", maker="gateways", type="server_error"),
    openai(None, Failure.SERVER_ERROR, 503, "Overloaded", maker="gateways", type="overloaded_error"),
)

NESTED = (
    router(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "Provider returned error",
        raw='{"error":{"message":"The maximum context length is 8192 tokens","code":"context_length_exceeded"}}',
        provider_name="Together",
    ),
    router(
        "billing",
        Failure.ACCOUNT,
        429,
        "Provider returned error",
        raw='{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}',
        provider_name="OpenAI",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        400,
        'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":"invalid_request_error",'
        '"message":"Your credit balance is too low to access the Anthropic API."}}',
        maker="LiteLLM",
        type=None,
        code="400",
    ),
)

OTHERS = (
    openai("rate", Failure.RATE_LIMIT, 400, "Rate limit is exceeded.", maker="Azure", code="429", type=None),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "The chatCompletion operation does not work with the specified model, o1-pro.",
        maker="Azure",
        code="OperationNotSupported",
        type=None,
        model="o1-pro",
    ),
    openai("no access", Failure.NO_ACCESS, 403, "You are not allowed to sample from this model", maker="OpenAI"),
    body(
        "no access",
        Failure.NO_ACCESS,
        400,
        {"detail": "The 'gpt-5-codex-mini' model is not supported when using Codex with a ChatGPT account."},
        "OpenAI Codex",
        "gpt-5-codex-mini",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        429,
        "To use Codex with your ChatGPT plan, upgrade to Plus",
        maker="OpenAI Codex",
        type="usage_not_included",
    ),
    claude(
        "closed account",
        Failure.ACCOUNT,
        403,
        "Your organization does not have access to Claude. Please contact your administrator.",
        "permission_error",
    ),
    claude(
        "another way to ask a model",
        Failure.REFUSED,
        400,
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        "invalid_request_error",
    ),
    claude(
        "credit",
        Failure.ACCOUNT,
        400,
        "You're out of extra usage. Add more at claude.ai/settings/usage and keep going.",
        "invalid_request_error",
    ),
    claude(
        "usage of a plan",
        Failure.KEY_QUOTA,
        400,
        "You have reached your specified workspace API usage limits.",
        "invalid_request_error",
    ),
    claude(
        "key",
        Failure.KEY_INVALID,
        400,
        "The API Key appears to be invalid or may have expired. Please verify your credentials and try again.",
        "invalid_request_error",
    ),
    claude(
        "one part too large",
        Failure.REQUEST_TOO_LARGE,
        400,
        "messages.1.content.2.image.source.base64: image exceeds 5 MB maximum: 6000000 bytes > 5242880 bytes",
        "invalid_request_error",
    ),
    google(
        "key",
        Failure.KEY_INVALID,
        403,
        "Requests from referer <empty> are blocked.",
        "PERMISSION_DENIED",
        reason("API_KEY_HTTP_REFERRER_BLOCKED"),
    ),
    google("unknown id", Failure.UNKNOWN_ID, 400, "Cache content 123 is expired.", "INVALID_ARGUMENT"),
    google(
        "one part too large",
        Failure.REQUEST_TOO_LARGE,
        400,
        "Request payload size exceeds the limit: 20971520 bytes.",
        "INVALID_ARGUMENT",
    ),
    google(
        "billing", Failure.ACCOUNT, 429, "Your project has exceeded its monthly spending cap.", "RESOURCE_EXHAUSTED"
    ),
    google(
        "no access",
        Failure.NO_ACCESS,
        400,
        "Project `1` is not allowed to use Publisher Model `projects/x/publishers/anthropic/models/m`",
        "FAILED_PRECONDITION",
    ),
    google(
        "no access",
        Failure.NO_ACCESS,
        404,
        "Publisher Model `projects/x/models/gemini-9` was not found or your project does not have access to it.",
        "NOT_FOUND",
        model="gemini-9",
    ),
    google(
        "no access",
        Failure.NO_ACCESS,
        403,
        "Permission 'aiplatform.endpoints.predict' denied on resource (or it may not exist).",
        "PERMISSION_DENIED",
        reason("IAM_PERMISSION_DENIED"),
    ),
    openai(
        "answer of no use",
        Failure.REFUSED,
        400,
        "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
        maker="Groq",
        code="tool_use_failed",
    ),
    openai(
        "answer of no use",
        Failure.REFUSED,
        400,
        "Failed to generate JSON. Please adjust your prompt.",
        maker="Groq",
        code="json_validate_failed",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        403,
        "The model `m` is blocked at the organization level.",
        maker="Groq",
        code="model_permission_blocked_org",
        type=None,
        model="m",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        400,
        "The model `m` requires terms acceptance.",
        maker="Groq",
        code="model_terms_required",
        type=None,
        model="m",
    ),
    openai(
        "fewer tokens",
        Failure.UNAFFORDABLE,
        402,
        "This request would exceed your available credits given the maximum output. Lower max_tokens or add credits.",
        maker="OpenRouter",
        code=402,
        type=None,
    ),
    body(
        "unsupported feature",
        Failure.REFUSED,
        400,
        {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"},
        "xAI",
    ),
    body(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "This model's maximum prompt length is 256000 but the request contains 300000 tokens.",
        },
        "xAI",
    ),
    openai(
        "billing",
        Failure.ACCOUNT,
        429,
        "Your GLM Coding Plan package has expired and is temporarily unavailable.",
        maker="Zhipu",
        code="1309",
        type=None,
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        429,
        "Your current subscription plan does not yet include access to GLM-5",
        maker="Zhipu",
        code="1311",
        type=None,
        model="glm-5",
    ),
    openai(
        "a day's limit",
        Failure.QUOTA,
        429,
        "API call limit for today has been reached",
        maker="Zhipu",
        code="1304",
        type=None,
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "Invalid request: Your request exceeded model token limit: 8192",
        maker="Moonshot",
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        403,
        "Access to model denied. Please make sure you are eligible for using the model.",
        maker="Alibaba",
        code="AccessDenied.Unpurchased",
        type=None,
    ),
    openai(
        "key",
        Failure.KEY_INVALID,
        403,
        "Workspace access denied.",
        maker="Alibaba",
        code="Workspace.AccessDenied",
        type=None,
    ),
    openai(
        "free tier of a model",
        Failure.QUOTA,
        400,
        "Free allocated quota exceeded.",
        maker="Alibaba",
        code="insufficient_quota",
        type=None,
    ),
    openai(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
        maker="Alibaba",
        code="invalid_parameter_error",
        type=None,
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "This model only support stream mode, please enable the stream parameter to access the model.",
        maker="Alibaba",
        code="invalid_parameter_error",
        type=None,
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "parameter.enable_thinking must be set to false for non-streaming calls",
        maker="Alibaba",
        code="invalid_parameter_error",
        type=None,
    ),
    body(
        "no access", Failure.NO_ACCESS, 403, {"code": 30003, "message": "Model disabled.", "data": None}, "SiliconFlow"
    ),
    openai(
        "no access",
        Failure.NO_ACCESS,
        404,
        "Your account 21 has not activated the model doubao.",
        maker="Volcengine",
        code="ModelNotOpen",
        type=None,
        model="doubao",
    ),
    body(
        "no access",
        Failure.NO_ACCESS,
        402,
        {"error": "this model requires a subscription, upgrade for access: https://ollama.com/upgrade"},
        "Ollama",
    ),
    body(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        {"error": "The model is loaded with context length of only 4096 tokens, which is not enough"},
        "LM Studio",
    ),
    body(
        "failure of a server",
        Failure.ODD_SERVER_ERROR,
        400,
        {"error": "The model has crashed without additional information. (Exit code: 1)"},
        "LM Studio",
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        400,
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        maker="vLLM",
        code=400,
        type="BadRequestError",
    ),
    body(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        422,
        {
            "error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000",
            "error_type": "validation",
        },
        "Hugging Face",
    ),
    openai(
        "a day's limit",
        Failure.QUOTA,
        429,
        "Rate limit of 50 per 86400s exceeded for UserByModelByDay..",
        maker="GitHub",
        code="RateLimitReached",
        type=None,
    ),
    openai(
        "concurrency",
        Failure.CONCURRENCY,
        429,
        "Rate limit of 2 per 0s exceeded for UserConcurrentRequests..",
        maker="GitHub",
        code="RateLimitReached",
        type=None,
    ),
    openai(
        "window",
        Failure.CONTEXT_TOO_LARGE,
        413,
        "Request body too large for gpt-4o model. Max size: 8000 tokens.",
        maker="GitHub",
        code="tokens_limit_reached",
        type=None,
    ),
    body("key", Failure.KEY_INVALID, 400, "unauthorized: token expired\n", "GitHub"),
    body("rate", Failure.RATE_LIMIT, 400, {"message": "Rate exceeded", "__type": "ThrottlingException"}, "Amazon"),
    body(
        "rate of an account",
        Failure.KEY_RATE_LIMIT,
        400,
        {"message": "Your request was denied due to exceeding the account quotas for Amazon Bedrock."},
        "Amazon",
    ),
    body(
        "key", Failure.KEY_INVALID, 403, {"message": "The security token included in the request is expired"}, "Amazon"
    ),
    body("key", Failure.KEY_INVALID, 403, {"Message": "Bearer Token has expired"}, "Amazon"),
    openai("unsupported feature", Failure.REFUSED, 400, "System role not supported", maker="Together"),
    openai("unsupported feature", Failure.REFUSED, 400, "Only user and assistant roles are supported!", maker="vLLM"),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Conversation roles must alternate user/assistant/user/assistant/...",
        maker="vLLM",
    ),
    openai("unsupported feature", Failure.REFUSED, 400, "Multi-turn chat is not enabled for models/x", maker="Google"),
    openai(
        "unsupported feature", Failure.REFUSED, 400, "`temperature` is deprecated for this model.", maker="Anthropic"
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "`temperature` and `top_p` cannot both be specified for this model.",
        maker="Anthropic",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Unexpected value(s) `interleaved-thinking-2025-05-14` for the `anthropic-beta` header.",
        maker="Amazon",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "messages.0.content.0: unexpected `cache_control` field",
        maker="gateways",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "thinking.type: Input tag 'adaptive' found using 'type' does not match any of the expected tags",
        maker="Anthropic",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties[x].items: missing field.",
        maker="Google",
    ),
    openai(
        "unsupported feature", Failure.REFUSED, 400, "This response_format type is unavailable now", maker="DeepSeek"
    ),
    openai(
        "unsupported feature", Failure.REFUSED, 400, "This model is only available with streaming", maker="gateways"
    ),
    openai("too many output tokens", Failure.REFUSED, 400, "max_tokens cannot exceed 8192", maker="gateways"),
    openai(
        "too many output tokens",
        Failure.REFUSED,
        400,
        "The request has a maxOutputTokens value of 70000 but the supported range ends at 65537.",
        maker="Google",
    ),
    openai(
        "one part too large",
        Failure.REQUEST_TOO_LARGE,
        400,
        "Invalid 'tools': array too long. Expected an array with maximum length 128.",
        code="array_above_max_length",
    ),
    body("key", Failure.KEY_INVALID, 400, {"error": "Invalid username or password."}, "Hugging Face"),
    body("rate", Failure.RATE_LIMIT, 400, {"message": "Too many tokens, please wait before trying again."}, "Amazon"),
    body(
        "credit",
        Failure.ACCOUNT,
        402,
        {"error": "You have exceeded your monthly included credits for Inference Providers."},
        "Hugging Face",
    ),
    openai("credit", Failure.ACCOUNT, 500, "Credit limit exceeded.", maker="Together", type="credit_limit"),
    openai("rate", Failure.RATE_LIMIT, 403, "Tokens of a minute used", maker="Cerebras", code="token_quota_exceeded"),
    body(
        "no access",
        Failure.NO_ACCESS,
        404,
        {"message": "Model use case details have not been submitted for this account."},
        "Amazon",
    ),
    body(
        "too many output tokens",
        Failure.REFUSED,
        400,
        {"message": "The maximum tokens you requested exceeds the model limit of 4096."},
        "Amazon",
    ),
    body(
        "a day's limit",
        Failure.QUOTA,
        429,
        {
            "success": False,
            "errors": [
                {"code": 4006, "message": "AiError: you have used up your daily free allocation of 10,000 neurons"}
            ],
        },
        "Cloudflare",
    ),
    body(
        "refused credential",
        Failure.KEY_INVALID,
        403,
        {"status": 403, "title": "Forbidden", "detail": "Authorization failed"},
        "NVIDIA",
    ),
    body(
        "credit",
        Failure.ACCOUNT,
        403,
        {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance"},
        "Novita",
    ),
    openai(
        "credit",
        Failure.ACCOUNT,
        400,
        "Budget has been exceeded! Current cost: 10.1, Max budget: 10.0",
        maker="LiteLLM",
        code="400",
        type="budget_exceeded",
    ),
    openai(
        "billing",
        Failure.ACCOUNT,
        403,
        "AI Gateway requires a valid credit card on file to service requests.",
        maker="Vercel",
        type="customer_verification_required",
    ),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        401,
        "Model x not supported",
        maker="OpenCode",
        type="ModelError",
        model="x",
    ),
    body(
        "a day's limit",
        Failure.QUOTA,
        403,
        {
            "errors": [
                {
                    "code": "token_quota_reached",
                    "message": "This operation exceeds the allotted quota: usage quota of 300000 tokens/month",
                }
            ],
            "status_code": 403,
        },
        "IBM",
    ),
    body(
        "no access",
        Failure.NO_ACCESS,
        404,
        {
            "errors": [{"code": "model_not_supported", "message": "Model 'x' is not supported for this environment."}],
            "status_code": 404,
        },
        "IBM",
        "x",
    ),
)

WORDINGS = (
    openai(
        "usage of a plan",
        Failure.KEY_QUOTA,
        403,
        "You've reached your weekly (7-day) usage limit.",
        maker="Moonshot",
        type="access_terminated_error",
    ),
    openai("usage of a plan", Failure.KEY_QUOTA, 403, "You have reached your subscription quota limit", maker="ZenMux"),
    openai(
        "usage of a plan",
        Failure.KEY_QUOTA,
        429,
        "You have exceeded the 5-hour usage quota.",
        maker="Volcengine",
        code="AccountQuotaExceeded",
    ),
    openai(
        "usage of a plan",
        Failure.KEY_QUOTA,
        429,
        "Sorry, you've exceeded your weekly rate limit. Please review our Terms of Service.",
        maker="GitHub",
        code="user_weekly_rate_limited",
    ),
    openai(
        "all models of a key",
        Failure.KEY_RATE_LIMIT,
        429,
        "Sorry, you've hit a rate limit that restricts the number of requests.",
        maker="GitHub",
        code="user_global_rate_limited",
    ),
    openai(
        "closed account",
        Failure.ACCOUNT,
        429,
        "Your account's current usage pattern does not comply with the Fair Usage Policy, and your request frequency "
        "has been limited.",
        maker="Zhipu",
        code="1313",
    ),
    google(
        "closed account",
        Failure.ACCOUNT,
        403,
        "This service has been disabled in this account for violation of Terms of Service.",
        "PERMISSION_DENIED",
    ),
    openai("closed account", Failure.ACCOUNT, 403, "Your account has been flagged for abusive use", maker="gateways"),
    openai("billing", Failure.ACCOUNT, 403, "Your card was declined.", maker="gateways"),
    openai("credit", Failure.ACCOUNT, 403, "该令牌额度已用尽", maker="New API", type="new_api_error"),
    openai(
        "no access", Failure.NO_ACCESS, 403, "该令牌无权访问模型 m", maker="New API", type="new_api_error", model="m"
    ),
    body(
        "key",
        Failure.KEY_INVALID,
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
        "Google",
    ),
    body(
        "region",
        Failure.REGION,
        400,
        {"message": "Access to Anthropic models is not allowed from unsupported countries, regions, or territories."},
        "Amazon",
    ),
    claude("window", Failure.CONTEXT_TOO_LARGE, 400, "invalid params, context window exceeds limit (2013)", model="M2"),
    openai(
        "one part too large",
        Failure.REQUEST_TOO_LARGE,
        400,
        "A maximum of 100 PDF pages may be provided.",
        maker="LiteLLM",
    ),
    openai("host's filter", Failure.CONTENT_FILTER, 400, "input new_sensitive (1026)", maker="MiniMax"),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Failed to deserialize the JSON body into the target type: messages[0]: unknown variant `image_url`, expected "
        "`text` at line 1 column 2",
        maker="DeepSeek",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "json mode cannot be combined with tool/function calling",
        maker="Groq",
    ),
    openai(
        "unsupported feature", Failure.REFUSED, 400, "This model only supports single tool-calls at once!", maker="vLLM"
    ),
    openai(
        "request that a local server does not take",
        Failure.REFUSED,
        500,
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        maker="llama.cpp",
        type="server_error",
        code=500,
    ),
    openai(
        "request that a local server does not take",
        Failure.REFUSED,
        500,
        "tools param requires --jinja flag",
        maker="llama.cpp",
        type="server_error",
        code=500,
    ),
    openai(
        "named model gone",
        Failure.MODEL_GONE,
        400,
        "{'error': \"/chat/completions: Invalid model name passed in model=m. Call `/v1/models` to view the models "
        'for your key."}',
        maker="LiteLLM",
        type="None",
        code="400",
        model="m",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        maker="DeepSeek",
    ),
    openai(
        "unsupported feature",
        Failure.REFUSED,
        400,
        "Missing `reasoning_content` field in the assistant message at message index 1.",
        maker="DeepSeek",
    ),
    claude(
        "foreign signature",
        Failure.FOREIGN_STATE,
        400,
        "messages.1.content.0.thinking: each thinking block must contain thinking",
    ),
    openai(
        "foreign encrypted content",
        Failure.FOREIGN_STATE,
        400,
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        dialect=RESPONSES,
    ),
    openai(None, Failure.SERVER_ERROR, 500, "model requires more system memory than is available", maker="Ollama"),
    openai(None, Failure.REQUEST, 400, "messages.0: user message was flagged as having no role", maker="gateways"),
)

SAMPLES: tuple[Sample, ...] = (
    *STATE,
    *MISTAKES,
    *AMOUNTS,
    *LIMITS,
    *ACCOUNTS,
    *KEYS,
    *PLACES,
    *MODELS,
    *CONTENT,
    *FEATURES,
    *NESTED,
    *OTHERS,
    *WORDINGS,
)
