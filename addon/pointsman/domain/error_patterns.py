"""What the makers of models and gateways say when they refuse a request, and what it means. Data only.

The first row that fits counts, so the order matters: what is more specific stands first, and the smaller of two scopes.
`tests/domain/error_samples.py` has an answer of its maker for each row.
"""

from dataclasses import dataclass

from pointsman.domain.failure_rows import Failure


@dataclass(frozen=True, slots=True)
class Pattern:
    """One row, known as `name`; `maker` is whose words they are.

    It fits an error with one of the `statuses` whose codes match one of `codes` (shell patterns, without regard to case
    and punctuation) or whose text matches one of `words` (regular expressions for lower case, in which `<model>` is the
    model that was asked for). With `beside`, the text must match one of these too.
    """

    name: str
    maker: str
    means: Failure
    statuses: frozenset[int]
    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


CLIENT = frozenset(range(400, 500))
ANY = frozenset(range(400, 600))
REFUSAL = CLIENT - {429}
UNSPECIFIC = frozenset({400, 403, 404, 422})
"""Statuses that gateways use for whatever their provider refused."""
STATE = ANY - {401, 402, 413, 429}
LIMIT = frozenset({400, 403, 422, 429})
NO_KEY = frozenset({401, 403})

LONG_PERIOD = (
    r"\b(per|a|each)[ -](day|week|month)\b",
    r"\b(daily|weekly|monthly)\b",
    r"\b[rt]pd\b",
    r"/ ?(day|week|month)\b",
    r"\bper 86400 ?s",
    r"\bfor today\b",
    r"\bby(model)?byday\b",
)
OF_A_MODEL = (r"<model>", r"\b(for|on|of|this) (the )?model\b", r"\bmodel:")
OF_AN_ACCOUNT = (
    r"\b(organization|account|project|workspace|team|org|key)[- ]level\b",
    r"\b(organization|account|project|workspace|team|api key) rate[ _-]?limit",
    r"\b(your|this|the|for) (account|organization|org|project|workspace|team|api key|key)\b",
    r"\bper (account|organization|project|workspace|team|api key|key)\b",
    r"\btrial key\b",
)
CLOSED = r"(disabled|suspended|deactivated|terminated|locked|restricted|banned|closed)"
HOLDER = r"\b(organization|account|workspace|team|project|user|subscription|consumer)\b"
ENDED = r"(is|was|has been|been) (decommissioned|deprecated|removed|retired|shut down|discontinued)"
GONE = (
    rf"(does not exist|doesn't exist|not exist\b|not found|{ENDED}|no longer (supported|available|served)"
    r"|reached its end of life|not a valid model)"
)

PATTERNS: tuple[Pattern, ...] = (
    # State that another issuer has signed, encrypted or stored.
    Pattern(
        "foreign signature",
        "Anthropic",
        Failure.FOREIGN_STATE,
        STATE,
        codes=("*thinking_signature*",),
        words=(
            r"signature.{0,40}\b(thinking|reasoning)",
            r"\b(thinking|reasoning)[_ ]?(block.{0,20})?signature|thinking_signature",
            r"thinking\.signature|redacted_thinking\.data|invalid (data|…) in redacted_thinking",
            r"expected thinking",
            r"each thinking block must contain thinking",
            r"thinking blocks.*cannot be modified",
        ),
    ),
    Pattern(
        "foreign encrypted content",
        "OpenAI",
        Failure.FOREIGN_STATE,
        STATE,
        codes=("invalid_encrypted_content",),
        words=(
            r"invalid_encrypted_content",
            r"(invalid|corrupted|could not (verify|decrypt)( the)?) encrypted[ _]content",
            r"… of type … was provided without its required following item",
            r"encrypted[ _]content\b.*(could not|cannot|did not match|invalid|not valid)",
        ),
    ),
    Pattern(
        "foreign thought signature",
        "Google",
        Failure.FOREIGN_STATE,
        STATE,
        words=(r"signature.{0,40}\bthought", r"\bthought[_ ]?signature"),
    ),
    Pattern(
        "unknown id",
        "OpenAI, Anthropic, Google",
        Failure.UNKNOWN_ID,
        REFUSAL - {401, 402, 413},
        codes=("previous_response_not_found",),
        words=(
            r"previous_response_not_found|no such file",
            r"\b(previous[_ ]response|response with|item with|conversation with|prompt with|files?|cached? ?content"
            r"|container|vector store|stored \w+)\b.{0,160}(not found|not exist|no longer exist|expired)",
        ),
    ),
    # The client's own mistake.
    Pattern(
        "unanswered tool call",
        "Anthropic",
        Failure.REQUEST,
        UNSPECIFIC,
        words=(
            r"ids were found without …",
            r"no tool (output|call) found for",
            r"must be followed by tool messages",
            r"unexpected … found in … blocks",
        ),
    ),
    Pattern(
        "unreadable image",
        "OpenAI, Anthropic",
        Failure.REQUEST,
        UNSPECIFIC,
        codes=("invalid_image*", "image_parse_error", "image_too_large", "unsupported_image_media_type"),
        words=(
            r"could not process (the )?image",
            r"unable to process input image",
            r"(failed|unable) to (download|load|fetch) (the )?(image|file)\b",
        ),
    ),
    Pattern(
        "wrong schema of a tool",
        "OpenAI",
        Failure.REQUEST,
        UNSPECIFIC,
        codes=("invalid_function_parameters", "invalid_json_schema", "missing_required_parameter"),
        words=(r"invalid schema for (function|response_format)", r"missing required (parameter|field)"),
    ),
    # What one request asks too much of.
    Pattern(
        "fewer tokens",
        "OpenRouter",
        Failure.UNAFFORDABLE,
        CLIENT,
        words=(
            r"requires more credits, or fewer max_tokens",
            r"can only afford \d+",
            r"prompt tokens limit exceeded: \d+ > \d+",
            r"exceed your available credits given",
            r"lower max_tokens or add credits",
        ),
    ),
    Pattern(
        "long context at extra cost",
        "Anthropic",
        Failure.REFUSED,
        CLIENT,
        words=(r"extra usage is required for long context", r"long context beta is not (yet )?available"),
    ),
    Pattern(
        "too many output tokens",
        "OpenAI, Anthropic, DeepSeek",
        Failure.REFUSED,
        UNSPECIFIC,
        words=(
            r"max_tokens is too large",
            r"supports at most \d+ completion tokens",
            r"maximum allowed number of output tokens",
            r"valid range of max_tokens is",
            r"max_tokens.{0,40}\bmust be less than or equal to (\d+|…)",
            r"range of max_tokens should be",
            r"maximum tokens you requested exceeds? the model limit",
            r"\bmax_?(completion|output|new)?_?tokens\b(?!.{0,60}context).{0,60}?"
            r"(exceed|must be (at most|<=|less)|should be (in|at most|<=|less)|out of range|supported range)",
        ),
    ),
    # Too many at once.
    Pattern(
        "concurrency",
        "Zhipu, Moonshot, LiteLLM",
        Failure.CONCURRENCY,
        LIMIT,
        codes=("1302", "1303", "concurrency_limit*", "too_many_concurrent_requests", "max_parallel_request_limit*"),
        words=(
            r"too many concurrent",
            r"concurrent (connections|requests)( \w+)? exceed",
            r"concurren(t|cy)( \w+){0,3} (limit|quota)",
            r"max(imum)?( organization)? (concurrency|parallel(?! tool))|maximum number of concurrent requests",
            r"\bparallel requests? limit|too many (parallel requests|requests in parallel)",
            r"max_parallel_requests",
            r"reduce (your )?concurrency",
            r"\buserconcurrentrequests\b",
        ),
    ),
    # The place.
    Pattern(
        "region",
        "Google, OpenAI, Anthropic",
        Failure.REGION,
        REFUSAL,
        codes=("unsupported_country_region_territory", "location_not_supported", "unsupported_location"),
        words=(
            r"user location is not supported",
            r"not allowed from unsupported (countries|regions)",
            r"country, region,? or territory (is )?not supported",
            r"^(your |this )?(country|region|location) (is )?not (supported|allowed)",
            r"access from your (country|region|location) is (not allowed|blocked|denied)",
            r"not (available|supported) in your (country|region|location)",
        ),
    ),
    # The account.
    Pattern(
        "credit",
        "Anthropic, DeepSeek, OpenRouter and others",
        Failure.ACCOUNT,
        ANY,
        codes=(
            "insufficient_balance*",
            "insufficient_credits*",
            "insufficient_user_quota",
            "insufficient_funds",
            "credits_error",
            "credit_balance_too_low",
            "exceeded_current_quota_error",
            "1113",
            "not_enough_balance",
            "credit_limit*",
            "budget_exceeded",
            "usage_not_included",
        ),
        words=(
            r"credit balance is too low",
            r"insufficient (account )?(balance|credits?|funds)",
            r"(not enough|out of|no remaining|run out of|used all( of)?( your)?) (available )?credits",
            r"(does not|doesn['\u2019]t|do not|don['\u2019]t) have (any|enough|sufficient) credits",
            r"(balance|credits?) (is|are|has been) (insufficient|exhausted|depleted)",
            r"余额不足|欠费|额度(已用尽|已耗尽|不足)",
            r"not enough balance|balance is not enough",
            r"\b(have|has) no (more |remaining )?credits",
            r"out of extra usage|draw from your extra usage",
            r"budget has been exceeded",
            r"\bcredit limit exceeded",
            r"(exceeded|depleted|used up) your (\w+ )?included credits",
            r"\btop up (your )?balance",
        ),
    ),
    Pattern(
        "free tier of a model",
        "Alibaba",
        Failure.QUOTA,
        LIMIT,
        codes=("AllocationQuota.FreeTierOnly",),
        words=(
            r"free tier of the model has been exhausted",
            r"\b(free|month) allocated quota exceeded",
        ),
    ),
    Pattern(
        "allocated quota",
        "Alibaba",
        Failure.RATE_LIMIT,
        LIMIT,
        words=(r"allocated quota exceeded",),  # a minute's, under a code that elsewhere means the account
    ),
    Pattern(
        "billing",
        "OpenAI, Google, Volcengine",
        Failure.ACCOUNT,
        ANY,
        codes=(
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "billing_disabled",
            "payment_required",
            "account_overdue*",
            "customer_verification_required",
            "1309",
        ),
        words=(
            r"billing hard limit",
            r"(billing|spend(ing)?) (hard )?limit (has been |was )?(reached|exceeded)",
            r"(reached|exceeded|hit) (your|the|its) (\w+ )?(spend(ing)?|billing|budget) (limit|cap)",
            r"payment (method )?(is )?required",
            r"(add|enter|valid|update your) (a )?payment method",
            r"account (is )?not active",
            r"overdue[ -](balance|payment|invoice)",
            r"billing (is not|isn['\u2019]t|has not been|to be|must be) enabled",
            r"valid credit card|card (was|has been) declined",
            r"valid payment instrument",
            r"\b(plan|package|subscription|membership) (has )?expired",
        ),
    ),
    Pattern(
        "arrears",
        "Alibaba",
        Failure.ACCOUNT,
        ANY,
        codes=("arrearage",),
        words=(r"account is in good standing", r"\bin arrears\b"),
    ),
    Pattern(
        "closed account",
        "Anthropic, OpenAI, Moonshot",
        Failure.ACCOUNT,
        ANY,
        codes=(
            "account_deactivated",
            "deactivated_workspace",
            "account_suspended",
            "account_disabled",
            "organization_disabled",
            "organization_deactivated",
            "consumer_suspended",
            "user_suspended",
            "1313",
        ),
        words=(
            rf"{HOLDER}( …)?( \S+)? (has been|is|was)( temporarily| permanently)? {CLOSED}",
            rf"^{HOLDER} {CLOSED}",
            rf"{HOLDER} has been denied access",
            r"\baccount (has been|was|is) (flagged|blocked)",
            r"(service|access) (has been|was|is) (disabled|blocked|suspended) (in|for|on) (this|your) account",
            r"\bfair us(ag)?e policy\b",
            r"not allowed for this organization",
            r"organization does not have access to claude(?![\w-])",
        ),
    ),
    Pattern(
        "validation",
        "Google",
        Failure.ACCOUNT,
        ANY,
        codes=("validation_required", "service_disabled", "account_verification_required"),
        words=(r"verify your account", r"account (verification|validation) (is )?required"),
    ),
    # The key.
    Pattern(
        "key",
        "Google, OpenAI, Anthropic, MiniMax",
        Failure.KEY_INVALID,
        ANY - {429},
        codes=(
            "invalid_api_key*",
            "api_key_invalid",
            "incorrect_api_key*",
            "api_key_expired",
            "expired_api_key",
            "key_expired",
            "key_revoked",
            "token_expired",
            "expired_token",
            "invalid_grant",
            "access_token_expired",
            "expired_key",
            "token_revoked",
            "token_invalidated",
            "ip_not_authorized",
            "invalid_authentication*",
            "authentication_error",
            "authentication_failed",
            "unauthenticated",
            "1004",
            "api_key_*_blocked",
            "workspace_access_denied",
            "unrecognized_client*",
        ),
        words=(
            r"\bapi[ _-]?key( provided)?( …)? (is |has |was |has been |appears to be )?"
            r"(not (valid|found|recognized|active)|invalid|expired|revoked|disabled|inactive|deleted|blocked)",
            r"\bapi[ _-]?key does not exist",
            r"(invalid|incorrect|expired|revoked|wrong|missing|bad|unknown|unrecognized) (x-)?api[ _-]?key\b",
            r"^(your |the |this )?key (is |has |has been )?(invalid|expired|revoked|disabled)",
            r"\bunregistered callers\b|^requests to this api .{1,200} are blocked",
            r"^token expired|^not authenticated\b|missing authentication header",
            r"\b(access|auth|bearer|oauth|session|security) token (included in the request )?(is |has |has been |was )?"
            r"(invalid|expired|revoked)",
            r"\btoken (is |has |has been |was )(expired|revoked)",
            r"(invalid|expired|wrong) (authentication|credentials?|access token|bearer token)",
            r"^unauthorized\b",
            r"invalid (api token|username or password)",
            r"must be a member of an organization to use the api",
        ),
    ),
    # One model of a key.
    Pattern(
        "no access",
        "OpenAI, LiteLLM, GitHub",
        Failure.NO_ACCESS,
        CLIENT,
        codes=(
            "model_not_allowed",
            "key_model_access_denied",
            "team_model_access_denied",
            "model_access_denied",
            "no_access",
            "model_not_supported",
            "model_permission_blocked*",
            "model_terms_required",
            "accessdenied_unpurchased",
            "model_not_open",
            "1311",
            "iam_permission_denied",
        ),
        words=(
            r"\b(have|has) (no )?(access|permissions?) to (use |access |call )?(the |this )?(requested |specified )?"
            r"(model|<model>)",
            r"or (you|your \w+( \S+)?) (do|does) not have access to it",
            r"not (authorized|allowed|permitted) to (access|use|call|invoke|sample from) (the |this |publisher )?"
            r"(model|<model>)",
            r"(no|lacks?|insufficient|missing) (access|permissions?) (to|for) (use |access )?(the |this )?"
            r"(model|<model>)",
            r"the caller does not have permission",
            r"(plan|subscription) does not (support|include) (the |this )?(model|<model>)",
            r"upgrade .{0,40}\bto (use|access) (the |this )?(model|<model>)",
            r"(model|<model>) is only available (to|for|on) (tier|paid|pro|plus|enterprise)\b",
            r"must be verified to use the model",
            r"key not allowed to access model",
            r"not authorized to perform: bedrock:invokemodel",
            r"\b(may|can|must)(not| not) (use|access|call|invoke) (the |this )?(model|<model>)",
            r"(<model>( model)?|\bthis model) (is )?not (enabled|allowed|available) (for|in|on) (this|your) \w+",
            r"\baccess to (this |the )?(model( <model>)?|<model>) (is |was )?denied|\bmodel access (is |was )?denied",
            r"\baccess (is |was )?denied (to|for) (this |the )?(model|<model>)",
            r"(model|<model>)( …)? requires (terms acceptance|a subscription)",
            r"model agreement has not been agreed",
            r"(model|<model>)( …)? is blocked at the \w+ level",
            r"has not activated the model",
            r"\bmodel (is )?disabled\b",
            r"does not( yet)? include access to",
            r"无权(访问|使用)(该|此)?模型",
            r"not supported when using \w+ with",
            r"model use case details have not been submitted",
        ),
    ),
    Pattern(
        "another way to ask a model",
        "OpenRouter",
        Failure.REFUSED,
        REFUSAL,
        words=(
            r"no endpoints found that",
            r"no endpoints (found )?matching your",
            r"no endpoints available matching",
            r"no allowed providers are available",
            r"\bdata policy\b",
            r"credential is only authorized for use with",
        ),
    ),
    Pattern(
        "model gone",
        "OpenAI, Groq, Azure, Zhipu",
        Failure.MODEL_GONE,
        REFUSAL,
        codes=(
            "model_not_found*",
            "model_not_exist*",
            "model_decommissioned",
            "model_deprecated",
            "deprecated_model",
            "model_archived",
            "model_retired",
            "unknown_model",
            "invalid_model*",
            "model_not_available",
            "deployment_not_found",
            "1211",
        ),
    ),
    Pattern(
        "named model gone",
        "Google, Ollama, vLLM, OpenRouter",
        Failure.MODEL_GONE,
        REFUSAL,
        words=(
            rf"<model>.{{0,40}}?\b{GONE}",
            r"no endpoints found for <model>",
            r"(unknown|no such|invalid|unsupported|deprecated) model( name| id)?:? ?(passed in model=)?<model>",
            r"model( name| id)? not (found|exist):? ?<model>",
            r"^model: <model>$",
            r"model <model> (is )?not supported(?! \w)",
        ),
    ),
    Pattern(
        "some model not found",
        "DeepSeek, Fireworks, Amazon",
        Failure.NOT_FOUND,
        UNSPECIFIC,
        words=(
            r"\bmodel (was |is |does )?not (found|exist)",
            r"\bmodel (identifier|name|id) is (invalid|not valid)",
            r"no endpoints found for",
        ),
    ),
    # Size.
    Pattern(
        "window",
        "OpenAI, Anthropic, Google, Alibaba, llama.cpp",
        Failure.CONTEXT_TOO_LARGE,
        ANY,
        codes=(
            "context_length_exceeded",
            "context_window_exceeded",
            "model_context_window_exceeded",
            "exceed_context_size*",
            "token_limit*",
            "1261",
            "tokens_limit*",
            "model_max_prompt_tokens*",
            "1039",
        ),
        words=(
            r"maximum context length",
            r"(exceed(s|ed|ing)?|larger than|longer than|beyond)\b( \w+(['\u2019]s)?){0,5} context "
            r"(window|length|size|limit)",
            r"context (window|length|size|limit)( of [\w,]+( tokens)?)?( is| has been| was)? (exceeded|too small|full)",
            r"\b(prompt|input|conversation) is too long",
            r"reduce the length of (the|your) (messages|prompt|input|conversation)",
            r"maximum number of (input )?tokens",
            r"range of input length should be",
            r"tokens \+ … must be <=",
            r"maximum (prompt|model) length",
            r"exceed(s|ed)?( the)? model token limit",
            r"context window exceeds",
            r"must have less than \d+ tokens",
            r"with context length of only",
            r"prompt token count( of \d+)? exceeds",
        ),
    ),
    Pattern(
        "more than a minute's tokens",
        "Groq, OpenAI",
        Failure.REQUEST_TOO_LARGE,
        frozenset({400, 413, 429}),
        words=(r"request too large for", r"\brequest (is )?too large\b"),
    ),
    Pattern(
        "one part too large",
        "Google, Anthropic, OpenAI",
        Failure.REQUEST_TOO_LARGE,
        frozenset({400, 413}),
        words=(
            r"request payload size exceeds",
            r"\bimages?( \w+)? exceeds?\b",
            r"\b(string|array) too long\b",
            r"a maximum of \d+ (\w+ )?\w+ may be provided",
            r"too many (images|tools|functions)\b|at most \d+ (image|audio|video|document)",
        ),
    ),
    # Content.
    Pattern(
        "maker's policy",
        "OpenAI, Anthropic, xAI",
        Failure.CONTENT_POLICY,
        REFUSAL,
        codes=("content_policy_violation", "moderation_blocked", "invalid_prompt"),
        words=(
            r"violat\w+( of)? (our|the|\w+'s) (usage|content) (policy|policies|guidelines)",
            r"blocked by content filtering policy",
            r"result of our safety system",
            r"content violates usage guidelines",
        ),
    ),
    Pattern(
        "host's filter",
        "Azure, OpenRouter, Alibaba, Zhipu, DeepSeek",
        Failure.CONTENT_FILTER,
        REFUSAL,
        codes=(
            "content_filter",
            "content_filtered",
            "responsible_ai_policy_violation",
            "data_inspection_failed",
            "1301",
            "1026",
            "1027",
        ),
        words=(
            r"content management policy",
            r"flagged by moderation",
            r"\brequires moderation\b",
            r"\binput (was|has been) flagged",
            r"content exists risk",
            r"\bnew_sensitive\b",
            r"considered high risk",
        ),
    ),
    # Limits of a rate and of a day.
    Pattern(
        "a day's quota of a model",
        "Google",
        Failure.QUOTA,
        LIMIT,
        codes=("*PerDay*PerModel*", "*PerModel*PerDay*"),
    ),
    Pattern(
        "a day's quota of a project",
        "Google",
        Failure.KEY_QUOTA,
        LIMIT,
        codes=("*PerDay*",),
    ),
    Pattern(
        "a minute's quota of a model",
        "Google",
        Failure.RATE_LIMIT,
        LIMIT,
        codes=("*PerMinute*PerModel*", "*PerModel*PerMinute*"),
    ),
    Pattern(
        "a minute's quota of a project",
        "Google",
        Failure.KEY_RATE_LIMIT,
        LIMIT,
        codes=("*PerMinute*PerProject*", "*PerProject*PerMinute*"),
    ),
    Pattern(
        "upstream of an aggregator",
        "OpenRouter",
        Failure.RATE_LIMIT,
        LIMIT,
        words=(r"temporarily rate-limited upstream",),
    ),
    Pattern(
        "usage of a plan",
        "OpenAI Codex, Anthropic, OpenRouter, Zhipu",
        Failure.KEY_QUOTA,
        LIMIT,
        codes=(
            "usage_limit_reached",
            "usage_limit_exceeded",
            "account_quota_exceeded",
            "user_weekly_rate_limited",
            "1308",
            "1310",
            "2056",
        ),
        words=(
            r"free-models-per-day",
            r"\bkey limit exceeded",
            r"(hit|reached|exceeded|used up) your ([\w()-]+ ){0,4}(usage limit|quota limit|allowance)",
            r"usage limit (reached|exceeded)",
            r"exceeded (the|your) \S+ usage quota",
        ),
    ),
    Pattern(
        "all models of a key",
        "OpenRouter, GitHub",
        Failure.KEY_RATE_LIMIT,
        LIMIT,
        codes=("user_global_rate_limited",),
        words=(r"free-models-per-min",),
    ),
    Pattern(
        "tokens of a day of a model",
        "Groq",
        Failure.QUOTA,
        LIMIT,
        words=LONG_PERIOD,
        beside=OF_A_MODEL,
    ),
    Pattern(
        "a day's limit of an account",
        "Cohere and others",
        Failure.KEY_QUOTA,
        LIMIT,
        words=LONG_PERIOD,
        beside=OF_AN_ACCOUNT,
    ),
    Pattern(
        "a day's limit",
        "Google and others",
        Failure.QUOTA,
        LIMIT,
        codes=("daily_limit_exceeded",),
        words=LONG_PERIOD,
        beside=(r"limit|quota|exceeded|requests|tokens|allocation|allowance",),
    ),
    Pattern(
        "organization's tokens per minute",
        "Anthropic",
        Failure.RATE_LIMIT,
        LIMIT,
        words=(  # it counts each class of models apart
            r"exceed your organization['\u2019]s( \S+)? rate limit of",
            r"exceed the rate limit for your organization\b",
        ),
    ),
    Pattern(
        "rate of a model",
        "OpenAI, Groq",
        Failure.RATE_LIMIT,
        LIMIT,
        words=(r"rate[ _-]?limit", r"too many requests", r"quota exceeded|exceeded (\w+ )*quota"),
        beside=OF_A_MODEL,
    ),
    Pattern(
        "rate of an account",
        "Mistral and others",
        Failure.KEY_RATE_LIMIT,
        LIMIT,
        words=(
            r"rate[ _-]?limit",
            r"too many requests",
            r"quota exceeded",
            r"requests per (minute|second)",
            r"exceed\w* the account quotas?",
        ),
        beside=OF_AN_ACCOUNT,
    ),
    Pattern(
        "rate",
        "gateways, with another status",
        Failure.RATE_LIMIT,
        LIMIT,
        codes=(
            "429",
            "rate_limit_exceeded",
            "rate_limit_error",
            "rate_limit_reached*",
            "rate_limited",
            "too_many_requests*",
            "resource_exhausted",
            "throttling*",
            "service_quota_exceeded*",
            "service_tier_capacity_exceeded",
            "token_quota_exceeded",
            "request_quota_exceeded",
            "limit_burst_rate",
        ),
        words=(
            r"\brate([ _-]?limit)?( has been| was| is)? (exceeded|reached|hit)",
            r"(exceeded|reached|hit)( \w+){0,3} rate[ -]?limit",
            r"too many (requests|tokens, please wait)",
            r"quota (has been |was )?exceeded",
            r"exceeded (your|the)( \w+)? quota",
        ),
    ),
    # What this target does not take.
    Pattern(
        "unsupported parameter",
        "OpenAI, Mistral, vLLM",
        Failure.REFUSED,
        UNSPECIFIC,
        codes=("unsupported_parameter", "unsupported_value", "unknown_parameter", "unsupported_model_capability"),
        words=(
            r"unsupported (parameter|value)",
            r"(unrecognized|unknown) (request )?(argument|parameter|field|name)",
            r"\b(parameter|property|field|argument) … is (unsupported|not supported)",
            r"extra inputs are not permitted",
        ),
    ),
    Pattern(
        "unsupported feature",
        "OpenAI, Groq, Ollama, vLLM",
        Failure.REFUSED,
        UNSPECIFIC,
        words=(
            r"(does not|doesn't|do not) (currently )?support",
            r"\bnot (currently |yet )?(supported|enabled)\b|\bunsupported\b",
            r"(is|are) (only supported|only available|unavailable|deprecated)\b|only .{1,40} are supported",
            r"roles must alternate",
            r"unknown variant …, expected",
            r"thinking mode must be passed back|reasoning_content is missing|is missing reasoning_content",
            r"missing … field in the assistant message",
            r"cannot be (combined|used together) with",
            r"unexpected (… field|value\(s\))|does not match any of the expected tags|invalid beta flag",
            r"cannot both be specified",
            r"streaming is required|available with streaming",
            r"functiondeclaration|function_declarations\[",
            r"with on-demand throughput",
            r"not a multimodal model",
            r"at most 0 \w+",
            r"requires --enable-auto-tool-choice",
            r"\bonly supports?\b",
            r"must be set to \w+ for non-streaming",
            r"does not work with the specified model",
        ),
    ),
    Pattern(
        "request that a local server does not take",
        "llama.cpp, Ollama, LM Studio",
        Failure.REFUSED,
        frozenset({400, 500}),
        words=(
            r"image input is not supported|provide the mmproj|missing data required for image input",
            r"\bjinja\b|^unsupported param: ",
            r"roles must alternate|only user,? .{0,40}roles are supported",
            r"failed to parse (messages|tools|grammar)\b",
        ),
    ),
    # What the model wrote badly, and what broke behind a gateway.
    Pattern(
        "answer of no use",
        "Groq",
        Failure.REFUSED,
        UNSPECIFIC,
        codes=("tool_use_failed", "json_validate_failed", "output_parse_failed"),
        words=(r"failed to (call a function|generate json)",),
    ),
    Pattern(
        "failure of a server",
        "LM Studio, NVIDIA",
        Failure.ODD_SERVER_ERROR,
        UNSPECIFIC,
        words=(r"\bmodel (has )?(crashed|unloaded)\b", r"model loading was stopped", r"inference connection error"),
    ),
    # Cut short.
    Pattern(
        "answer cut short",
        "gateways",
        Failure.TRUNCATED,
        ANY - {401, 402, 403, 404, 413, 429},
        codes=("response_length_limit", "truncated"),
        words=(
            r"\b(answer|response|output|completion|stream) (was |is |has been )?(truncated|cut off)",
            r"\bresponse_length_limit\b",
        ),
    ),
    # A key that a gateway refused, in other words.
    Pattern(
        "refused credential",
        "gateways",
        Failure.KEY_INVALID,
        NO_KEY,
        codes=("unauthorized", "invalid_token", "invalid_key", "invalid_credentials"),
        words=(
            r"\b(api[ _-]?key|credentials?|authentication)\b|\bauthorization failed\b",
            r"(invalid|expired) (\w+ )?token",
            r"token (is |has )?(\w+ )?(invalid|expired)",
        ),
    ),
)
