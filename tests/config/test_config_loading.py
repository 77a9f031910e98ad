"""Which file is read, what the defaults are, and what a whole configuration looks like."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pointsman.config import (
    Capability,
    ConfigError,
    Dialect,
    KeySource,
    LimitSettings,
    Mode,
    Pool,
    ProtectionLevel,
    RedirectMatch,
    Settings,
    build,
    find_file,
    load,
)

type Load = Callable[..., Settings]

HOSTS = ("api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com")

WHOLE = """
server:
  client_key: ${POINTSMAN_KEY}
  admin_key: ${POINTSMAN_ADMIN}
  forward: key
  header_prefix: X-
  intercept: [api.openai.com, api.anthropic.com, generativelanguage.googleapis.com]
  max_body: 64MiB
  drain: 10s
routing:
  default_mode: balanced
  max_attempts: 12
  deadline: 120s
  unknown_model: error
  aliases: {gpt-4o: auto-smart}
  weights: {}
sticky:
  enabled: true
  modes: [balanced, smart, fast]
  idle_ttl: 30m
  max_sessions: 10000
  key_sources: [session_header, session_body, prefix_hash, auth_header]
  session_headers: [X-Session-ID, X-Claude-Code-Session-Id, session-id, session_id, thread-id, x-session-affinity,
                    x-opencode-session, X-OpenWebUI-Chat-Id]
  rest: 3m
stream: {heartbeat: 15s, stall: 60s, first_byte: 60s, answer: 10m, early_headers: 20s}
hedge: {after: off, max_parallel: 2}
cooldowns: {transient: 15s, rate_limit: 90s, key_invalid: 5m}
protection: {longcat: provider-ban, openrouter/openrouter/owl-alpha: provider-ban}
history: {path: ~/.pointsman/history.db, keep: 30d}
providers:
  groq:
    keys: [${GROQ_API_KEY}, {value: "${GROQ_KEY_2}", label: second, enabled: true}]
  local:
    base_url: http://127.0.0.1:11434/v1
    dialect: openai-chat
    keys: []
    dialects: {anthropic: http://127.0.0.1:11435/v1/}
    protection: model-skip
    hedge: {after: 8s}
    timeouts: {connect: 5s, first_byte: 120s, stall: 90s, answer: 20m}
    redirects: [{match: prefix, source: qwen3, target: qwen3-coder:30b}]
    models:
      - {id: qwen3-coder, pool: balanced, intelligence: 2, speed: 9, context: 262144, supports: [tools],
         limits: {rpm: 30, tpm: 60000}, smart_first: false, enabled: true}
"""
SECRETS = {
    "POINTSMAN_KEY": "sk-client",
    "POINTSMAN_ADMIN": "sk-admin",
    "GROQ_API_KEY": "sk-first",
    "GROQ_KEY_2": "sk-second",
}


class TestAWholeFile:
    @pytest.fixture
    def settings(self, load_text: Load) -> Settings:
        return load_text(WHOLE, **SECRETS)

    def test_says_the_defaults_word_for_word(self, settings: Settings) -> None:
        plain = load(None, {})
        for section in ("sticky", "stream", "hedge", "cooldowns", "history"):
            assert getattr(settings, section) == getattr(plain, section)
        assert settings.routing == plain.routing.model_copy(update={"aliases": {"gpt-4o": "auto-smart"}})
        no_keys = {"client_key": None, "admin_key": None, "forward": None}
        assert settings.server.model_copy(update=no_keys) == plain.server

    def test_keeps_the_order_of_its_providers(self, settings: Settings) -> None:
        assert [(name, provider.name) for name, provider in settings.providers.items()] == [
            ("groq", "groq"),
            ("local", "local"),
        ]

    def test_gives_every_key_a_label(self, settings: Settings) -> None:
        keys = settings.providers["groq"].keys
        assert [(key.label, key.enabled, key.value.get_secret_value()) for key in keys] == [
            ("key-1", True, "sk-first"),
            ("second", True, "sk-second"),
        ]

    def test_describes_a_provider_of_ones_own(self, settings: Settings) -> None:
        local = settings.providers["local"]
        assert (local.base_url, local.dialect, local.keys) == ("http://127.0.0.1:11434/v1", Dialect.OPENAI_CHAT, ())
        assert local.dialects == {Dialect.ANTHROPIC: "http://127.0.0.1:11435/v1"}
        assert (local.protection, local.hedge.after, local.enabled) == (ProtectionLevel.MODEL_SKIP, 8.0, True)
        assert local.timeouts.model_dump() == {"connect": 5.0, "first_byte": 120.0, "stall": 90.0, "answer": 1200.0}

    def test_describes_redirects_and_models(self, settings: Settings) -> None:
        local = settings.providers["local"]
        [redirect] = local.redirects
        assert (redirect.match, redirect.source, redirect.target) == (RedirectMatch.PREFIX, "qwen3", "qwen3-coder:30b")
        [model] = local.models
        assert (model.id, model.pool, model.intelligence, model.speed) == ("qwen3-coder", Pool.BALANCED, 2, 9)
        assert (model.context, model.supports) == (262144, frozenset({Capability.TOOLS}))
        assert model.limits == LimitSettings(rpm=30, tpm=60000)
        assert (model.smart_first, model.enabled) == (False, True)

    def test_shows_no_secret_in_any_representation(self, settings: Settings) -> None:
        shown = f"{settings!r} {settings} {settings.model_dump()} {settings.providers['groq'].keys[0]!r}"
        assert "sk-" not in shown

    def test_warns_of_nothing(self, settings: Settings) -> None:
        assert settings.warnings == ()


class TestDefaults:
    def test_are_those_of_the_contract(self) -> None:
        settings = load(None, {})
        server, routing, sticky, stream = settings.server, settings.routing, settings.sticky, settings.stream
        assert (server.client_key, server.admin_key, server.header_prefix) == (None, None, "X-")
        assert (server.intercept, server.max_body, server.drain) == (HOSTS, 64 * 2**20, 10.0)
        assert (routing.default_mode, routing.max_attempts, routing.deadline) == (Mode.BALANCED, 12, 120.0)
        assert (routing.unknown_model, routing.aliases) == ("error", {})
        assert (sticky.enabled, sticky.modes, sticky.idle_ttl) == (True, tuple(Mode), 1800.0)
        assert (sticky.max_sessions, sticky.rest, KeySource.IP in sticky.key_sources) == (10000, 180.0, False)
        assert (stream.heartbeat, stream.stall, stream.first_byte) == (15.0, 60.0, 60.0)
        assert (stream.answer, stream.early_headers) == (600.0, 20.0)
        assert (settings.hedge.after, settings.hedge.max_parallel) == (None, 2)
        assert settings.cooldowns.model_dump() == {"transient": 15.0, "rate_limit": 90.0, "key_invalid": 300.0}
        assert (settings.history.path, settings.history.keep) == (Path.home() / ".pointsman/history.db", 2592000.0)
        assert (settings.protection, settings.providers, settings.warnings) == ({}, {}, ())

    @pytest.mark.parametrize(
        ("mode", "weights"),
        [
            (Mode.BALANCED, (0.50, 0.15, 0.10, 0.25)),
            (Mode.SMART, (0.35, 0.05, 0.05, 0.55)),
            (Mode.FAST, (0.35, 0.30, 0.25, 0.10)),
        ],
    )
    def test_weigh_the_qualities_by_mode(self, mode: Mode, weights: tuple[float, ...]) -> None:
        found = load(None, {}).routing.weights[mode]
        assert (found.reliability, found.speed, found.latency, found.intelligence) == weights
        assert sum(weights) == pytest.approx(1)

    def test_of_a_mode_fill_up_what_is_written_for_it(self, load_text: Load) -> None:
        weights = load_text("routing: {weights: {smart: {speed: 2}}}\nproviders: {groq: }").routing.weights[Mode.SMART]
        assert (weights.reliability, weights.speed, weights.intelligence) == (0.35, 2.0, 0.55)

    def test_of_a_provider_and_a_model(self) -> None:
        provider = build({"providers": {"p": {"base_url": "http://h/v1", "models": [{"id": "m"}]}}}, {}).providers["p"]
        assert (provider.dialect, provider.protection, provider.keys) == (
            Dialect.OPENAI_CHAT,
            ProtectionLevel.MODEL_SKIP,
            (),
        )
        assert provider.timeouts.model_dump() == {"connect": 10.0, "first_byte": 60.0, "stall": 60.0, "answer": 600.0}
        assert (provider.drop_params, provider.stream_usage, provider.keyless) == ((), False, False)
        [model] = provider.models
        assert (model.pool, model.intelligence, model.speed, model.context) == (Pool.BALANCED, None, None, None)
        assert (model.supports, model.limits, model.smart_first, model.enabled) == (None, LimitSettings(), False, True)

    def test_put_a_smart_first_model_into_the_smart_pool_unless_another_is_written(self) -> None:
        models = [{"id": "a", "smart_first": True}, {"id": "b", "smart_first": True, "pool": "fast"}]
        tree = {"providers": {"p": {"base_url": "http://h/v1", "models": models}}}
        assert [model.pool for model in build(tree, {}).providers["p"].models] == [Pool.SMART, Pool.FAST]

    def test_leave_the_pauses_that_can_be_switched_off_at_zero(self, load_text: Load) -> None:
        pauses = "sticky: {rest: off}\ncooldowns: {transient: off, rate_limit: 0s}\nhistory: {path: off}"
        settings = load_text(f"{pauses}\nproviders: {{groq: }}")
        assert (settings.sticky.rest, settings.cooldowns.transient, settings.cooldowns.rate_limit) == (0.0, 0.0, 0.0)
        assert settings.history.path is None


def test_sections_written_without_anything_below_them_change_nothing(load_text: Load) -> None:
    empty = "\n".join(
        f"{name}:" for name in ("server", "routing", "sticky", "stream", "hedge", "cooldowns", "protection")
    )
    settings = load_text(f"{empty}\nproviders: {{groq: {{keys: [k], models: [{{id: m, limits: }}]}}}}")
    assert settings.sticky == load(None, {}).sticky


def test_settings_cannot_be_changed(load_text: Load) -> None:
    settings = load_text("providers: {groq: {keys: [k]}}")
    with pytest.raises(ValidationError, match="frozen"):
        settings.stream.stall = 1.0
    with pytest.raises(ValidationError, match="frozen"):
        settings.providers["groq"].enabled = False
    with pytest.raises(TypeError):
        settings.providers["x"] = settings.providers["groq"]  # type: ignore[index]


def test_what_is_given_to_build_is_left_as_it_was() -> None:
    tree = {"providers": {"groq": None}}
    build(tree, {"POINTSMAN_PROVIDERS__GROQ__KEYS": "k"})
    assert tree == {"providers": {"groq": None}}


@pytest.mark.parametrize("target", ["m", "p/m", "auto", "auto-fast", "other", "caught-by-a-redirect", "p/a/b"])
def test_an_alias_may_name_whatever_a_client_may_ask_for(load_text: Load, target: str) -> None:
    settings = load_text(
        f"routing: {{aliases: {{gpt: {target}, other: m}}}}\n"
        "providers: {p: {base_url: http://h/v1, models: [{id: m}, {id: a/b}],"
        " redirects: [{match: prefix, source: caught, target: m}]}}"
    )
    assert settings.routing.aliases["gpt"] == target


@pytest.mark.parametrize(
    ("match", "source", "caught", "missed"),
    [
        ("exact", "ab", "ab", "abc"),
        ("prefix", "ab", "abc", "cab"),
        ("suffix", "ab", "cab", "abc"),
        ("contains", "ab", "cabc", "acb"),
        ("regex", "^a.*b$", "acb", "cab c"),
    ],
)
def test_a_redirect_catches_names_as_its_match_says(
    load_text: Load, match: str, source: str, caught: str, missed: str
) -> None:
    rule = f"{{match: {match}, source: '{source}', target: m}}"
    settings = load_text(f"providers: {{p: {{base_url: http://h/v1, models: [{{id: m}}], redirects: [{rule}]}}}}")
    [redirect] = settings.providers["p"].redirects
    assert redirect.matches(caught)
    assert not redirect.matches(missed)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("providers: {groq: }", "providers.groq.keys: has no enabled key, and groq requires an API key"),
        (
            "providers: {groq: {keys: [{value: k, enabled: false}]}}",
            "providers.groq.keys: has no enabled key, and groq requires an API key",
        ),
        (
            "providers: {p: {base_url: http://h/v1}}",
            "providers.p.models: is empty, so p gets no requests; list its model ids",
        ),
        (
            "providers: {ollama: {keys: [k], models: [{id: m}]}}",
            "providers.ollama: is the server on this machine, which needs no key; the cloud service is ollama-cloud",
        ),
        (
            "providers: {groq: {keys: [k], models: [{id: llama}], prices: {lama: {input: 1}}}}",
            'providers.groq.prices.lama: groq has no model "lama" (did you mean "llama"?)',
        ),
        (
            "providers: {groq: {keys: [k], models: [{id: llama}]}}\nprotection: {groq/lama: off}",
            'protection.groq/lama: groq has no model "lama" (did you mean "llama"?)',
        ),
        (
            "providers: {groq: {keys: [k]}}\nprotection: {mistral/codestral: off}",
            'protection.mistral/codestral: mistral has no model "codestral" (did you mean "codestral-latest"?)',
        ),
    ],
)
def test_what_works_but_hardly_as_meant_is_a_warning(load_text: Load, text: str, warning: str) -> None:
    assert load_text(text).warnings == (warning,)


@pytest.mark.parametrize(
    "text",
    [
        "providers: {groq: {enabled: false}}",
        "providers: {groq: {base_url: http://127.0.0.1:9/v1}}",
        "providers: {kilo: }",
        "providers: {groq: {keys: [k]}}\nprotection: {groq: off, mistral: off, mistral/codestral-latest: off}",
    ],
    ids=["switched off", "elsewhere", "keyless", "protection"],
)
def test_what_is_meant_is_not_warned_of(load_text: Load, text: str) -> None:
    assert load_text(text).warnings == ()


class TestFind:
    @pytest.fixture
    def cwd(self, tmp_path: Path) -> Path:
        (tmp_path / "cwd").mkdir()
        return tmp_path / "cwd"

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        (tmp_path / "home" / ".pointsman").mkdir(parents=True)
        return tmp_path / "home"

    def test_takes_the_option_first_then_the_variable_then_the_usual_places(self, cwd: Path, home: Path) -> None:
        places = [
            cwd / "option.yaml",
            cwd / "variable.yaml",
            cwd / "pointsman.yaml",
            home / ".pointsman" / "pointsman.yaml",
        ]
        for place in places:
            place.touch()
        env = {"POINTSMAN_CONFIG": "variable.yaml"}
        assert find_file("option.yaml", env, cwd, home) == places[0]
        assert find_file(None, env, cwd, home) == places[1]
        assert find_file("", {"POINTSMAN_CONFIG": ""}, cwd, home) == places[2]
        places[2].unlink()
        assert find_file(None, {}, cwd, home) == places[3]
        places[3].unlink()
        assert find_file(None, {}, cwd, home) is None

    def test_reads_a_tilde_as_the_home_directory(self, cwd: Path, home: Path) -> None:
        (home / "mine.yaml").touch()
        assert find_file("~/mine.yaml", {}, cwd, home) == home / "mine.yaml"

    @pytest.mark.parametrize(
        ("option", "env", "source"),
        [("no.yaml", {}, "pointsman_config"), (None, {"POINTSMAN_CONFIG": "no.yaml"}, "POINTSMAN_CONFIG")],
    )
    def test_does_not_pass_over_a_named_file_that_is_missing(
        self, cwd: Path, home: Path, option: str | None, env: dict[str, str], source: str
    ) -> None:
        (cwd / "pointsman.yaml").touch()
        with pytest.raises(ConfigError) as caught:
            find_file(option, env, cwd, home)
        problem = f"names {cwd / 'no.yaml'}, which does not exist or cannot be reached; create it, or name another file"
        assert caught.value.issues == ((source, problem),)
