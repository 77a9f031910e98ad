"""Every rule, broken once: the path, what is allowed, what was found, and nothing else."""

from collections.abc import Callable

import pytest

from pointsman.config import Settings

type Faults = Callable[..., dict[str, str]]

PROXY = "must be direct or the URL of an HTTP proxy, such as http://proxy.example.com:3128"
GOOD = "providers: {local: {base_url: http://127.0.0.1:9/v1, models: [{id: m}]}}\n"


def provider(written: str) -> str:
    return f"providers: {{p: {{base_url: http://127.0.0.1:9/v1, models: [{{id: m}}], {written}}}}}\n"


def model(written: str) -> str:
    return f"providers: {{p: {{base_url: http://127.0.0.1:9/v1, models: [{{id: m, {written}}}]}}}}\n"


PRICE = "must be dollars for a million tokens, a number from 0 to 1000000"
DURATION = "must be a duration such as 500ms, 15s, 3m, 2h or 7d"
COUNT = "must be a positive integer"
MODES = "must be one of balanced, smart, fast"
LEVELS = "must be one of provider-ban, model-skip, off"
DIALECTS = "must be one of openai-chat, openai-responses, anthropic, gemini"
HOST = "must be a bare host name, such as api.openai.com, without scheme, port or path"
URL = "must be an absolute http or https URL, such as https://api.groq.com/openai/v1"
CLIENT_KEY = "write client_key: ${POINTSMAN_KEY}, or admin_key"
MODEL_LIST = "write providers: {NAME: {base_url: …, keys: […], models: […]}}"
PREFIX = 'must be the beginning of a header\'s name, ending in "-", such as X-'
NAME = "must be 1 to 200 visible ASCII characters without spaces"
ALIAS = "must name a model, provider/model, a mode such as auto-smart, or another alias"
MODELS = "write models: [{id: NAME}]"
NO_ALIAS = "must be a name that clients ask for, one line of 1 to 200 characters; rename or remove it"
RESERVED = "must not be called auto or auto-…, which select a mode; rename it"

SECTIONS = [
    ("server: {master_key: a}", "server.master_key", f"is not a known key; {CLIENT_KEY}"),
    (
        "server: {port: 4000}",
        "server.port",
        "is not a known key; it is mitmproxy's: start with --listen-host and --listen-port",
    ),
    ("model_list: []", "model_list", f"is not a known key; {MODEL_LIST}"),
    (
        "server: {admin_key: $POINTSMAN_ADMIN}",
        "server.admin_key",
        "is not a key but names an environment variable in another form; write ${POINTSMAN_ADMIN}",
    ),
    ("sever: {}", "sever", 'is not a known key (did you mean "server"?)'),
    ("client_key: sk-abcdef", "client_key", "is not a known key; it belongs in server"),
    ("server: {sticky: {}}", "server.sticky", "is not a known key; it belongs at the top level"),
    ("routing: {hedge: {}}", "routing.hedge", "is not a known key; it belongs at the top level or in providers.NAME"),
    (
        "routing: {enabled: true}",
        "routing.enabled",
        "is not a known key; known here: default_mode, max_attempts, deadline, max_wait, unknown_model, "
        "content_filter, drift, failures, aliases, strategy, weights",
    ),
    ("sticky: false", "sticky", "must be a mapping, got true or false; write sticky: {enabled: false}"),
    ("history: off", "history", "must be a mapping, got text; write history: {path: off}"),
    ("server: []", "server", "must be a mapping, got a list"),
    ("server: sk-abcdef", "server", "must be a mapping, got text"),
    ("server: {header_prefx: X-}", "server.header_prefx", 'is not a known key (did you mean "header_prefix"?)'),
    (
        "server: {zzz: 1}",
        "server.zzz",
        "is not a known key; known here: "
        "client_key, admin_key, forward, header_prefix, intercept, hosts, max_body, websocket, drain",
    ),
    (
        "server: {forward: key}",
        "server.forward",
        "is key, but there is no client key: set server.client_key, add to clients, or use local or open",
    ),
    ("server: {forward: opn}", "server.forward", 'must be one of local, key, open, got "opn" (did you mean "open"?)'),
    ("server: {client_key: 12345678}", "server.client_key", "must be text; put it in quotes, got a number"),
    ("server: {client_key: [sk-abcdef]}", "server.client_key", "must be text, got a list"),
    ("server: {client_key: }", "server.client_key", "has no value; set one or remove it"),
    ('server: {client_key: ""}', "server.client_key", "must not be empty; remove it if it is not needed"),
    (
        'server: {admin_key: "a b"}',
        "server.admin_key",
        "must be visible ASCII characters without spaces or line ends",
    ),
    (
        "server: {client_key: same, admin_key: same}",
        "server.admin_key",
        "must differ from client_key, so that clients have no admin access; choose another one",
    ),
    ("server: {header_prefix: X}", "server.header_prefix", f'{PREFIX}, got "X"'),
    ('server: {header_prefix: "X Y-"}', "server.header_prefix", f'{PREFIX}, got "X Y-"'),
    ('server: {header_prefix: ""}', "server.header_prefix", f'{PREFIX}, got ""'),
    ("server: {intercept: api.openai.com}", "server.intercept", "must be a list, got text"),
    (
        "server: {intercept: [https://api.openai.com]}",
        "server.intercept[0]",
        f'{HOST}, got "https://api.openai.com"',
    ),
    ('server: {intercept: [a.b, "a.b:443"]}', "server.intercept[1]", f'{HOST}, got "a.b:443"'),
    ("server: {intercept: ['*.openai.com']}", "server.intercept[0]", f'{HOST}, got "*.openai.com"'),
    ("server: {intercept: [a.b, A.B]}", "server.intercept", "repeats an entry, at [0] and [1]; remove one"),
    (
        "server: {max_body: 64XB}",
        "server.max_body",
        'must be a size such as 64MiB, 500kB or a number of bytes, got "64XB"',
    ),
    ("server: {max_body: 0}", "server.max_body", "must be from 1 to 4294967296 bytes, got 0"),
    ("server: {drain: soon}", "server.drain", f'{DURATION}, got "soon"'),
    ("routing: {default_mode: smrt}", "routing.default_mode", f'{MODES}, got "smrt" (did you mean "smart"?)'),
    ("routing: {default_mode: [fast]}", "routing.default_mode", f"{MODES}, got a list"),
    ("routing: {max_attempts: 0}", "routing.max_attempts", "must be an integer from 1 to 100, got 0"),
    ("routing: {max_attempts: 101}", "routing.max_attempts", "must be at most 100, got 101"),
    ("routing: {max_attempts: 2.5}", "routing.max_attempts", "must be an integer from 1 to 100, got 2.5"),
    ("routing: {max_attempts: true}", "routing.max_attempts", "must be an integer from 1 to 100, got true"),
    ("routing: {max_attempts: '3'}", "routing.max_attempts", 'must be an integer from 1 to 100, got "3"'),
    ("routing: {deadline: 0s}", "routing.deadline", 'must be more than 0, got "0s"'),
    ("routing: {deadline: off}", "routing.deadline", f'{DURATION}, got "off"'),
    ("routing: {deadline: 2d}", "routing.deadline", 'must be at most 1d, got "2d"'),
    ("routing: {unknown_model: guess}", "routing.unknown_model", 'must be one of error, auto, map, got "guess"'),
    ("routing: {aliases: [a]}", "routing.aliases", "must be a mapping, got a list"),
    ("routing: {aliases: {a: 3}}", "routing.aliases.a", "must be text; put it in quotes, got 3"),
    ("routing: {aliases: {a: zzz}}", "routing.aliases.a", f'{ALIAS}, got "zzz"'),
    ("routing: {aliases: {a: local/mm}}", "routing.aliases.a", f'{ALIAS}, got "local/mm" (did you mean "local/m"?)'),
    ("routing: {aliases: {gpt-4.1: zzz}}", 'routing.aliases."gpt-4.1"', f'{ALIAS}, got "zzz"'),
    ("routing: {aliases: {auto: m}}", "routing.aliases.auto", RESERVED),
    ("routing: {aliases: {'': m}}", 'routing.aliases.""', NO_ALIAS),
    ("routing: {aliases: {'  ': m}}", 'routing.aliases."  "', NO_ALIAS),
    ('routing: {aliases: {"a\\u202e": m}}', 'routing.aliases."a\\u202e"', NO_ALIAS),
    ("routing: {aliases: {Auto-cheap: m}}", "routing.aliases.Auto-cheap", RESERVED),
    (
        "routing: {aliases: {x: a, a: b, b: c, c: a}}",
        "routing.aliases.a",
        "is circular (a -> b -> c -> a); it must end at a model or a mode",
    ),
    (
        "routing: {aliases: {m: m}}",
        "routing.aliases.m",
        "is circular (m -> m); it must end at a model or a mode",
    ),
    ("routing: {weights: {fst: {}}}", "routing.weights.fst", 'is not a known key (did you mean "fast"?)'),
    (
        "routing: {weights: {fast: {speed: -1}}}",
        "routing.weights.fast.speed",
        "must be a number from 0 to 1000, got -1",
    ),
    (
        "routing: {weights: {fast: {speed: .nan}}}",
        "routing.weights.fast.speed",
        "must be a number from 0 to 1000, got nan",
    ),
    (
        "routing: {weights: {fast: {reliability: 0, speed: 0, latency: 0, intelligence: 0}}}",
        "routing.weights.fast",
        "must have at least one weight above 0",
    ),
    ("sticky: {enabled: 1}", "sticky.enabled", "must be true or false, got 1"),
    ("sticky: {enabled: yes}", "sticky.enabled", 'must be true or false, got "yes"'),
    ("sticky: {modes: [quick]}", "sticky.modes[0]", f'{MODES}, got "quick"'),
    ("sticky: {modes: [fast, fast]}", "sticky.modes", "repeats an entry, at [0] and [1]; remove one"),
    ("sticky: {idle_ttl: 0}", "sticky.idle_ttl", "must be more than 0, got 0"),
    ("sticky: {max_sessions: 1000001}", "sticky.max_sessions", "must be at most 1000000, got 1000001"),
    (
        "sticky: {key_sources: [session_heder]}",
        "sticky.key_sources[0]",
        "must be one of session_header, session_body, prefix_hash, auth_header, ip, "
        'got "session_heder" (did you mean "session_header"?)',
    ),
    ("sticky: {key_sources: [ip, ip]}", "sticky.key_sources", "repeats an entry, at [0] and [1]; remove one"),
    (
        "sticky: {key_sources: []}",
        "sticky.key_sources",
        "must name at least one; to turn sticky sessions off, set sticky.enabled to false",
    ),
    (
        "sticky: {session_headers: ['a b']}",
        "sticky.session_headers[0]",
        'must be the name of a header, such as X-Session-ID, got "a b"',
    ),
    (
        "sticky: {session_headers: [a-b, A-B]}",
        "sticky.session_headers",
        "repeats an entry, at [0] and [1]; remove one",
    ),
    ("sticky: {rest: never}", "sticky.rest", f'{DURATION}, or off, got "never"'),
    ("stream: {heartbeat: 0}", "stream.heartbeat", "must be more than 0, got 0"),
    ("stream: {stall: off}", "stream.stall", f'{DURATION}, got "off"'),
    ("stream: {first_byte: -3}", "stream.first_byte", f"{DURATION}, got -3"),
    ("stream: {answer: 1h30m}", "stream.answer", f'{DURATION}, got "1h30m"'),
    ("stream: {early_headers: no}", "stream.early_headers", f'{DURATION}, or off, got "no"'),
    ("stream: {early_headers: 0}", "stream.early_headers", "must be more than 0 and at most 1d, or off, got 0"),
    ("hedge: {after: never}", "hedge.after", f'{DURATION}, or off, or auto, got "never"'),
    ("hedge: {max_parallel: 9}", "hedge.max_parallel", "must be at most 8, got 9"),
    ("hedge: {max_parallel: 0}", "hedge.max_parallel", "must be an integer from 1 to 8, got 0"),
    ("cooldowns: {transient: soon}", "cooldowns.transient", f'{DURATION}, or off, got "soon"'),
    ("cooldowns: {rate_limit: 3d}", "cooldowns.rate_limit", 'must be at most 1d, got "3d"'),
    ("protection: {local: ban}", "protection.local", f'{LEVELS}, got "ban"'),
    (
        "protection: {grok: off}",
        "protection.grok",
        'must name a provider or provider/model; there is no provider "grok" (did you mean "groq"?)',
    ),
    ("history: {path: [x]}", "history.path", "must be text, got a list"),
    (
        "history: {path: ~nobody-is-called-this/x}",
        "history.path",
        'must be a path; its ~ matches no home directory, got "~nobody-is-called-this/x"',
    ),
    ("history: {keep: off}", "history.keep", f'{DURATION}, got "off"'),
]

PROVIDERS = [
    (
        "providers: [groq]",
        "providers",
        "must be a mapping, got a list; write providers: {NAME: {keys: […], models: […]}}",
    ),
    (
        "providers: {groq: 3}",
        "providers.groq",
        "must be a mapping, got a number; write groq: {keys: [${GROQ_API_KEY}]}",
    ),
    (
        "providers: {keys: [sk-abcdef]}",
        "providers.keys",
        "must be a mapping, got a list; it belongs in a provider: indent it further",
    ),
    (
        "providers: {groq: {keys: [a], limits: {rpm: 6}}}",
        "providers.groq.limits.rpm",
        "is not a known key; it belongs in clients.NAME.limits or in providers.groq.models[].limits",
    ),
    (
        "providers: {grok: }",
        "providers.grok.base_url",
        'is required: the catalog has no provider "grok" (did you mean "groq"?)',
    ),
    (
        "providers: {'a/b': {base_url: http://x/v1}}",
        "providers.a/b",
        "must consist of 1 to 64 letters, digits, dots, dashes and underscores; rename it",
    ),
    (
        "providers: {'a b': {base_url: http://x/v1}}",
        'providers."a b"',
        "must consist of 1 to 64 letters, digits, dots, dashes and underscores; rename it",
    ),
    ("providers: {auto: {base_url: http://x/v1}}", "providers.auto", RESERVED),
    ("providers: {AUTO-smart: {base_url: http://x/v1}}", "providers.AUTO-smart", RESERVED),
    (
        "providers: {a: {base_url: http://x/v1}, A: {base_url: http://x/v1}}",
        "providers.A",
        "differs from a only in case; rename one",
    ),
    (provider("prices: {m: 3}"), "providers.p.prices.m", "must be a mapping, got a number"),
    (provider("prices: {m: {output: 1}}"), "providers.p.prices.m.input", "is required"),
    (provider("prices: {m: {input: free}}"), "providers.p.prices.m.input", f'{PRICE}, got "free"'),
    (provider("prices: {m: {input: -1}}"), "providers.p.prices.m.input", f"{PRICE}, got -1"),
    (provider("prices: {m: {input: true}}"), "providers.p.prices.m.input", f"{PRICE}, got true"),
    (provider("prices: {m: {input: .nan}}"), "providers.p.prices.m.input", f"{PRICE}, got nan"),
    (
        provider("prices: {m: {input: 0.0000001}}"),
        "providers.p.prices.m.input",
        "must have at most six decimals, got 1e-07",
    ),
    (
        provider("prices: {m: {input: 1, ouput: 2}}"),
        "providers.p.prices.m.ouput",
        'is not a known key (did you mean "output"?)',
    ),
    (provider("name: q"), "providers.p.name", "is not a known key: the provider's name is p"),
    (provider("modles: []"), "providers.p.modles", 'is not a known key (did you mean "models"?)'),
    (provider("enabled: 0"), "providers.p.enabled", "must be true or false, got 0"),
    ("providers: {p: {base_url: api.x.com/v1}}", "providers.p.base_url", f'{URL}, got "api.x.com/v1"'),
    *[
        (f"providers: {{p: {{base_url: 'http://x/v1', proxy: '{wrong}'}}}}", "providers.p.proxy", PROXY)
        for wrong in ("Direct", "http://", "me:hunter2@p:1", "http://me:hunter2@p:port", "http://p:1/path", "ftp://p")
    ],
    (
        "providers: {p: {base_url: 'http://x/v1', proxy: 'socks5://me:hunter2@p:1'}}",
        "providers.p.proxy",
        "must be an HTTP proxy: SOCKS is not supported",
    ),
    (
        "providers: {p: {base_url: 'http://x/v1', proxy: 1}}",
        "providers.p.proxy",
        "must be text; put it in quotes, got a number",
    ),
    *[
        (provider(f"headers: {{{header}}}"), f"providers.p.headers{place}", problem)
        for header, place, problem in (
            (
                "api-key: k",
                ".api-key",
                'must not be a header for a credential; write it in `keys`, got "api-key"',
            ),
            ("cookie: k", ".cookie", 'must not be a header for a credential; write it in `keys`, got "cookie"'),
            ("Connection: close", ".Connection", 'must not be a header that the router sets itself, got "Connection"'),
            ("TE: trailers", ".TE", 'must not be a header that the router sets itself, got "TE"'),
            ("Host: x", ".Host", 'must not be a header that the router sets itself, got "Host"'),
            ("X-Title: 5", ".X-Title", "must be text; put it in quotes, got 5"),
            (
                "X-Title: é",
                ".X-Title",
                'must be one line of 1 to 1000 ASCII characters, without spaces at its ends, got "é"',
            ),
            ("X-Title: a, x-title: b", "", "must not name a header twice; upper and lower case are the same"),
        )
    ],
    ("providers: {p: {base_url: ftp://x/v1}}", "providers.p.base_url", f'{URL}, got "ftp://x/v1"'),
    ("providers: {p: {base_url: http://}}", "providers.p.base_url", f'{URL}, got "http://"'),
    ("providers: {p: {base_url: 'http://x:99999/v1'}}", "providers.p.base_url", f'{URL}, got "http://x:99999/v1"'),
    ("providers: {p: {base_url: 'http://[::1/v1'}}", "providers.p.base_url", f'{URL}, got "http://[::1/v1"'),
    (
        "providers: {p: {base_url: 'https://u:sk-abcdef@x/v1'}}",
        "providers.p.base_url",
        "must not contain a user name or password; the credential belongs in keys",
    ),
    (
        "providers: {p: {base_url: 'https://x/v1?key=sk-abcdef'}}",
        "providers.p.base_url",
        "must not contain a query or a fragment; a credential belongs in keys",
    ),
    (
        "providers: {p: {base_url: 'https://x/v1#y'}}",
        "providers.p.base_url",
        "must not contain a query or a fragment; a credential belongs in keys",
    ),
    (
        "providers: {p: {base_url: 'https://x/v1/chat/completions/'}}",
        "providers.p.base_url",
        'must end before /chat/completions, got "https://x/v1/chat/completions/"',
    ),
    (provider("dialect: openai"), "providers.p.dialect", f'{DIALECTS}, got "openai" (did you mean "openai-chat"?)'),
    (
        provider("dialects: {openai: http://x/v1}"),
        "providers.p.dialects.openai",
        f'{DIALECTS}, got "openai" (did you mean "openai-chat"?)',
    ),
    (provider("dialects: {gemini: x}"), "providers.p.dialects.gemini", f'{URL}, got "x"'),
    (
        provider("dialects: {openai-chat: http://x/v1}"),
        "providers.p.dialects",
        "must not name openai-chat, the dialect of base_url",
    ),
    (provider("protection: ban"), "providers.p.protection", f'{LEVELS}, got "ban"'),
    (provider("hedge: {aftr: 3s}"), "providers.p.hedge.aftr", 'is not a known key (did you mean "after"?)'),
    (provider("timeouts: {connect: 0}"), "providers.p.timeouts.connect", "must be more than 0, got 0"),
    (provider("timeouts: {stall: off}"), "providers.p.timeouts.stall", f'{DURATION}, got "off"'),
    (provider("drop_params: [a, a]"), "providers.p.drop_params", "repeats an entry, at [0] and [1]; remove one"),
    (provider("keys: sk-abcdef"), "providers.p.keys", "must be a list, got text; write keys: [${P_API_KEY}]"),
    (provider("keys: {value: a}"), "providers.p.keys", "must be a list, got a mapping; write keys: [${P_API_KEY}]"),
    *[
        (provider(f"{name}: sk-abcdef"), f"providers.p.{name}", "is not a known key; write keys: [${P_API_KEY}]")
        for name in ("api_key", "apiKey", "key", "token")
    ],
    *[
        (provider(f"{name}: http://x/v1"), f"providers.p.{name}", "is not a known key; write base_url: https://…/v1")
        for name in ("api_base", "url", "baseURL", "api-base")
    ],
    (provider("model: m"), "providers.p.model", "is not a known key; write models: [{id: NAME}]"),
    (provider("type: openai"), "providers.p.type", "is not a known key; write dialect: openai-chat"),
    (
        provider("rpm: 3"),
        "providers.p.rpm",
        "is not a known key; write limits at its models: models: [{id: NAME, limits: {rpm: 30}}]",
    ),
    (
        provider("keys: [{value: a, api_key: sk-abcdef}]"),
        "providers.p.keys[0]",
        "has an unknown key; write value: ${P_API_KEY}",
    ),
    *[
        (
            provider(f"keys: ['{written}']"),
            "providers.p.keys[0]",
            "is not a key but names an environment variable in another form; write ${GROQ_API_KEY}",
        )
        for written in (
            "$GROQ_API_KEY",
            "os.environ/GROQ_API_KEY",
            "process.env.GROQ_API_KEY",
            "env:GROQ_API_KEY",
            "{env:GROQ_API_KEY}",
            "%GROQ_API_KEY%",
        )
    ],
    (
        provider("keys: [{value: $GROQ_API_KEY}]"),
        "providers.p.keys[0].value",
        "is not a key but names an environment variable in another form; write ${GROQ_API_KEY}",
    ),
    (provider("keys: [12345678]"), "providers.p.keys[0]", "must be text; put it in quotes, got a number"),
    (provider("keys: [{label: x}]"), "providers.p.keys[0].value", "is required"),
    (
        provider("keys: [{value: a, lable: x}]"),
        "providers.p.keys[0]",
        'has an unknown key (did you mean "label"?)',
    ),
    (
        provider("keys: [{value: a, sk-abcdef: x}]"),
        "providers.p.keys[0]",
        "has an unknown key; known here: value, label, enabled",
    ),
    (
        provider("keys: [{value: a, enabled: sk-abcdef}]"),
        "providers.p.keys[0].enabled",
        "must be true or false, got text",
    ),
    (provider("keys: [sk-abcdef, b, sk-abcdef]"), "providers.p.keys[2]", "is the same key as keys[0]; remove one"),
    (
        provider("keys: [a, {value: b, label: key-1}]"),
        "providers.p.keys[1].label",
        "is the same label as that of keys[0]; choose another one",
    ),
    (provider("redirects: {}"), "providers.p.redirects", "must be a list, got a mapping"),
    (
        provider("redirects: [{match: regx, source: a, target: b}]"),
        "providers.p.redirects[0].match",
        'must be one of exact, prefix, suffix, contains, regex, got "regx" (did you mean "regex"?)',
    ),
    (provider("redirects: [{match: exact, source: a}]"), "providers.p.redirects[0].target", "is required"),
    (
        provider("redirects: [{match: prefix, source: '', target: b}]"),
        "providers.p.redirects[0].source",
        'must be one line of 1 to 200 characters, got ""',
    ),
    (
        provider("redirects: [{match: regex, source: '[', target: b}]"),
        "providers.p.redirects[0].source",
        'must be a regular expression (unterminated character set at position 0), got "["',
    ),
    (
        provider(f"redirects: [{{match: regex, source: {'a' * 201}, target: b}}]"),
        "providers.p.redirects[0].source",
        f'must be one line of 1 to 200 characters, got "{"a" * 60}…"',
    ),
    ("providers: {p: {base_url: http://x/v1, models: m}}", "providers.p.models", f"must be a list, got text; {MODELS}"),
    (
        "providers: {p: {base_url: http://x/v1, models: {m: {}}}}",
        "providers.p.models",
        f"must be a list, got a mapping; {MODELS}",
    ),
    (
        "providers: {p: {base_url: http://x/v1, models: [m]}}",
        "providers.p.models[0]",
        "must be a mapping, got text; write {id: NAME}",
    ),
    (model("context_window: 8"), "providers.p.models[0].context_window", "is not a known key; write context: 131072"),
    ("providers: {p: {base_url: http://x/v1, models: [{}]}}", "providers.p.models[0].id", "is required"),
    (
        "providers: {p: {base_url: http://x/v1, models: [{id: m}, {id: n}, {id: m}]}}",
        "providers.p.models[2].id",
        "is the same id as that of models[0]; remove one",
    ),
    (
        "providers: {p: {base_url: http://x/v1, models: [{id: 'a b'}]}}",
        "providers.p.models[0].id",
        f'{NAME}, got "a b"',
    ),
    (
        "providers: {p: {base_url: http://x/v1, models: [{id: 4}]}}",
        "providers.p.models[0].id",
        "must be text; put it in quotes, got 4",
    ),
    (model("pol: fast"), "providers.p.models[0].pol", 'is not a known key (did you mean "pool"?)'),
    (model("pool: quick"), "providers.p.models[0].pool", 'must be one of fast, balanced, smart, got "quick"'),
    (model("intelligence: 0"), "providers.p.models[0].intelligence", "must be an integer from 1 to 1000, got 0"),
    (model("speed: fast"), "providers.p.models[0].speed", 'must be an integer from 1 to 1000, got "fast"'),
    (model("context: 128k"), "providers.p.models[0].context", f'{COUNT}, got "128k"'),
    (model("supports: tools"), "providers.p.models[0].supports", "must be a list, got text"),
    (
        model("kind: embeddings"),
        "providers.p.models[0].kind",
        "must be one of chat, completion, embedding, image, audio, rerank, moderation,"
        ' got "embeddings" (did you mean "embedding"?)',
    ),
    (model("kind: []"), "providers.p.models[0].kind", "must name at least one; absent, it is chat"),
    (model("kind: [chat, chat]"), "providers.p.models[0].kind", "repeats an entry, at [0] and [1]; remove one"),
    (
        model("supports: [tools, tols]"),
        "providers.p.models[0].supports[1]",
        'must be one of tools, vision, json, reasoning, audio, got "tols" (did you mean "tools"?)',
    ),
    (model("limits: 30"), "providers.p.models[0].limits", "must be a mapping, got a number"),
    (model("limits: {rpm: 30/min}"), "providers.p.models[0].limits.rpm", f'{COUNT}, got "30/min"'),
    (model("limits: {rpd: -1}"), "providers.p.models[0].limits.rpd", f"{COUNT}, got -1"),
    (model("limits: {tpm: 1.5}"), "providers.p.models[0].limits.tpm", f"{COUNT}, got 1.5"),
    (
        model(f"limits: {{tpd: {10**13}}}"),
        "providers.p.models[0].limits.tpd",
        f"must be at most {10**12}, got {10**13}",
    ),
    (model("limits: {rps: 1}"), "providers.p.models[0].limits.rps", 'is not a known key (did you mean "rpm"?)'),
    (
        model("smart_first: first"),
        "providers.p.models[0].smart_first",
        'must be true, false or an integer from 1 to 1000, got "first"',
    ),
    (
        model("smart_first: -1"),
        "providers.p.models[0].smart_first",
        "must be true, false or an integer from 1 to 1000, got -1",
    ),
    (
        model("protection: ban"),
        "providers.p.models[0].protection",
        'must be one of provider-ban, model-skip, off, got "ban"',
    ),
    (model("enabled: off"), "providers.p.models[0].enabled", 'must be true or false, got "off"'),
]


@pytest.mark.parametrize(("text", "path", "problem"), SECTIONS)
def test_a_broken_rule_of_a_section_is_the_only_fault_found(
    faults_in: Faults, text: str, path: str, problem: str
) -> None:
    assert faults_in(GOOD + text) == {path: problem}


@pytest.mark.parametrize(("text", "path", "problem"), PROVIDERS)
def test_a_broken_rule_of_the_providers_is_the_only_fault_found(
    faults_in: Faults, text: str, path: str, problem: str
) -> None:
    assert faults_in(text) == {path: problem}


def test_the_example_of_the_contract_reads_word_for_word(faults_in: Faults) -> None:
    text = "providers: {groq: {models: [{id: a}, {id: b}, {id: c, limits: {rpm: 30/min}}]}}"
    assert [f"{path}: {problem}" for path, problem in faults_in(text).items()] == [
        'providers.groq.models[2].limits.rpm: must be a positive integer, got "30/min"'
    ]


def test_every_fault_is_reported_at_once_whatever_kind_it_is_of(faults_in: Faults) -> None:
    faults = faults_in(
        """
        stream: {stall: 1s, stall: 2s, heartbeat: 0}
        server: {client_key: ${ABSENT}, admin_key: same, drain: x}
        routing: {aliases: {a: a, b: zzz}, default_mode: q}
        protection: {nobody: off}
        providers:
          one: {base_url: http://x/v1, models: [{id: m}, {id: m}, {id: n, speed: 0}], keys: [k, k]}
          ONE: {base_url: ftp://x}
          two:
        """,
        POINTSMAN_STREAM__STAL="1s",
    )
    assert set(faults) == {
        "stream.stall",
        "POINTSMAN_STREAM__STAL",
        "server.client_key",
        "providers.ONE",
        "providers.two.base_url",
        "providers.one.keys[1]",
        "providers.one.models[1].id",
        "routing.aliases.a",
        "routing.aliases.b",
        "protection.nobody",
        "stream.heartbeat",
        "server.drain",
        "routing.default_mode",
        "providers.one.models[2].speed",
        "providers.ONE.base_url",
    }


@pytest.mark.parametrize(
    "text",
    [
        "server: {client_key: [sk-abcdef]}",
        "server: {client_key: {sk-abcdef: 1}}",
        "server: {admin_key: 'sk-abcdef x'}",
        "server: {client_key: sk-abcdef, admin_key: sk-abcdef}",
        "providers: {groq: {keys: sk-abcdef}}",
        "providers: {groq: {keys: {sk-abcdef: x}}}",
        "providers: {groq: {keys: [sk-abcdef: x]}}",
        "providers: {groq: {keys: [[sk-abcdef]]}}",
        "providers: {groq: {keys: [sk-abcdef, sk-abcdef]}}",
        "providers: {groq: {keys: ['sk-abcdef x']}}",
        "providers: {groq: {keys: [{value: x, enabled: sk-abcdef}]}}",
        "providers: {groq: {keys: [{value: x, label: [sk-abcdef]}]}}",
        "providers: {groq: sk-abcdef}",
        "providers: {groq: [sk-abcdef]}",
        "providers: {groq: {base_url: 'https://sk-abcdef@x/v1'}}",
        "providers: {groq: {base_url: 'https://x/v1?key=sk-abcdef'}}",
        "providers: {groq: {base_url: '${SECRET}'}}",
        "providers: {groq: {api_key: sk-abcdef}}",
        "providers: {groq: }\nrouting: {aliases: {a: '${SECRET}'}}",
        "providers: {groq: }\nserver: {intercept: ['${SECRET}', '${SECRET}']}",
        "providers: {groq: {models: [{id: m, limits: {rpm: '${SECRET}'}}]}}",
        "providers: {groq: {keys: ['${SECRET} and more']}}",
    ],
)
def test_no_fault_repeats_a_secret(faults_in: Faults, text: str) -> None:
    faults = faults_in(text, SECRET="sk-abcdef")
    assert faults
    assert "sk-abcdef" not in str(faults)


def test_a_variable_that_names_another_one_holds_no_key(faults_in: Faults) -> None:
    problem = faults_in(provider("keys: ['${GROQ_API_KEY}']"), GROQ_API_KEY="$OTHER_KEY")["providers.p.keys[0]"]
    assert problem == "is not a key: GROQ_API_KEY contains the name of a variable; set it to the key itself"


@pytest.mark.parametrize("key", ["sk-$abc", "$ecret-word", "a$GROQ_API_KEY", "env-1", "100%SURE"])
def test_a_key_may_contain_such_signs(load_text: Callable[..., Settings], key: str) -> None:
    (found,) = load_text(provider(f"keys: ['{key}']")).providers["p"].keys
    assert found.value.get_secret_value() == key
