"""`POINTSMAN_<SECTION>__<KEY>` over the file, and `${NAME}` within it."""

from collections.abc import Callable
from operator import attrgetter

import pytest

from pointsman.config import KeySource, ProtectionLevel, Settings, load
from pointsman.config.enums import Mode, Strategy

type Load = Callable[..., Settings]
type Faults = Callable[..., dict[str, str]]

FILE = """
stream: {stall: 60s}
hedge:
routing: {aliases: {gpt-4o: m, other: m}}
providers:
  my-groq: {base_url: http://127.0.0.1:9/v1, models: [{id: m}]}
  a.b: {base_url: http://127.0.0.1:9/v1, models: [{id: m}]}
  A_B_c: {base_url: http://127.0.0.1:9/v1, models: [{id: m}]}
"""


def at(settings: Settings, path: str) -> object:
    first, _, rest = path.partition(" ")
    return attrgetter(rest)(settings.providers[first]) if rest else attrgetter(first)(settings)


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("POINTSMAN_STREAM__STALL", "90s", "stream.stall", 90.0),
        ("POINTSMAN_STREAM__EARLY_HEADERS", "off", "stream.early_headers", None),
        ("POINTSMAN_HEDGE__AFTER", "auto", "hedge.after", "auto"),
        ("POINTSMAN_HEDGE__MAX_PARALLEL", "3", "hedge.max_parallel", 3),
        ("POINTSMAN_ROUTING__DEFAULT_MODE", "fast", "routing.default_mode", "fast"),
        ("POINTSMAN_ROUTING__STRATEGY", "least_busy", "routing.strategy", dict.fromkeys(Mode, Strategy.LEAST_BUSY)),
        ("POINTSMAN_ROUTING__STRATEGY__FAST", "weighted", "routing.strategy", {Mode.FAST: Strategy.WEIGHTED}),
        ("POINTSMAN_ROUTING__WEIGHTS__SMART__SPEED", "0.25", "routing.weights.smart.speed", 0.25),
        ("POINTSMAN_STICKY__ENABLED", "false", "sticky.enabled", False),
        ("POINTSMAN_STICKY__ENABLED", "On", "sticky.enabled", True),
        ("POINTSMAN_STICKY__KEY_SOURCES", "session_header, ip", "sticky.key_sources", ("session_header", "ip")),
        ("POINTSMAN_STICKY__MODES", "", "sticky.modes", ()),
        ("POINTSMAN_SERVER__MAX_BODY", "1MiB", "server.max_body", 2**20),
        ("POINTSMAN_SERVER__HEADER_PREFIX", "Y-", "server.header_prefix", "Y-"),
        ("POINTSMAN_PROVIDERS__MY_GROQ__BASE_URL", "http://h/v1/", "my-groq base_url", "http://h/v1"),
        ("POINTSMAN_PROVIDERS__my_groq__timeouts__connect", "1s", "my-groq timeouts.connect", 1.0),
        ("POINTSMAN_PROVIDERS__MY_GROQ__HEDGE__AFTER", "2s", "my-groq hedge.after", 2.0),
        ("POINTSMAN_PROVIDERS__A_B__ENABLED", "no", "a.b enabled", False),
        ("POINTSMAN_PROVIDERS__A_B_C__PROTECTION", "off", "A_B_c protection", ProtectionLevel.OFF),
    ],
)
def test_a_variable_overrides_the_setting_that_it_names(
    load_text: Load, variable: str, text: str, path: str, value: object
) -> None:
    assert at(load_text(FILE, **{variable: text}), path) == value


def test_tables_can_be_reached_by_what_is_written_in_them_or_can_be(load_text: Load) -> None:
    settings = load_text(
        FILE,
        POINTSMAN_ROUTING__ALIASES__GPT_4O="auto-smart",
        POINTSMAN_ROUTING__ALIASES__OTHER="my-groq/m, auto-fast",
        POINTSMAN_PROTECTION__MY_GROQ="off",
        POINTSMAN_PROTECTION__LONGCAT="model-skip",
        POINTSMAN_PROVIDERS__MY_GROQ__DIALECTS__GEMINI="http://h/v1beta",
    )
    assert settings.routing.aliases == {"gpt-4o": "auto-smart", "other": ("my-groq/m", "auto-fast")}
    assert settings.protection == {"my-groq": "off", "longcat": "model-skip"}
    assert settings.providers["my-groq"].dialects == {"gemini": "http://h/v1beta"}


def test_keys_given_as_a_list_are_labelled_like_those_in_the_file(load_text: Load) -> None:
    settings = load_text(FILE, POINTSMAN_PROVIDERS__MY_GROQ__KEYS="k1, k2")
    keys = settings.providers["my-groq"].keys
    assert [(key.label, key.value.get_secret_value()) for key in keys] == [("key-1", "k1"), ("key-2", "k2")]


def test_overrides_count_without_a_file_too() -> None:
    assert load(None, {"POINTSMAN_STICKY__KEY_SOURCES": "ip"}).sticky.key_sources == (KeySource.IP,)


def test_variables_of_ours_without_two_underscores_are_no_overrides() -> None:
    names = ("POINTSMAN_CONFIG", "POINTSMAN_KEY", "POINTSMAN_ADMIN", "POINTSMAN_X_Y", "OTHER__X")
    assert load(None, dict.fromkeys(names, "x")) == load(None, {})


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("POINTSMAN_STREM__STALL", 'matches no key of the configuration (did you mean "stream"?)'),
        ("POINTSMAN_STREAM__STAL", 'matches no key of stream (did you mean "stall"?)'),
        ("POINTSMAN_HEDGE__ZZZ", "matches no key of hedge; known there: after, max_parallel"),
        (
            "POINTSMAN_STREAM__",
            "matches no key of stream; known there: heartbeat, stall, first_byte, answer, early_headers",
        ),
        ("POINTSMAN_STREAM__STALL__X", "names a key below stream.stall, which has no keys"),
        ("POINTSMAN_HEDGE__AFTER__X__Y", "names a key below hedge.after, which has no keys"),
        (
            "POINTSMAN_ROUTING__WEIGHTS",
            "names routing.weights, which is not a single value; name one of balanced, smart, fast",
        ),
        ("POINTSMAN_ROUTING__ALIASES", "names routing.aliases, which is not a single value"),
        ("POINTSMAN_ROUTING__ALIASES__NEW", "matches no key of routing.aliases; known there: gpt-4o, other"),
        ("POINTSMAN_PROVIDERS__GROQ__ENABLED", 'matches no key of providers (did you mean "my_groq"?)'),
        ("POINTSMAN_PROVIDERS__MY_GROQ__NAME", "matches no key of providers.my-groq"),
        (
            "POINTSMAN_PROVIDERS__MY_GROQ__MODELS",
            "names providers.my-groq.models, a list of mappings; set it in the file",
        ),
        (
            "POINTSMAN_PROVIDERS__MY_GROQ__MODELS__0__ID",
            "names a key below providers.my-groq.models, which has no keys",
        ),
    ],
)
def test_a_variable_that_names_no_setting_is_a_fault_of_its_own(faults_in: Faults, variable: str, problem: str) -> None:
    faults = faults_in(FILE, **{variable: "1"})
    assert list(faults) == [variable]
    assert faults[variable].startswith(problem)


def test_a_variable_for_a_place_that_is_no_mapping_in_the_file_is_a_fault_too(faults_in: Faults) -> None:
    assert faults_in("stream: 5\nproviders: {groq: }", POINTSMAN_STREAM__STALL="1s") == {
        "POINTSMAN_STREAM__STALL": "names a key below stream, which is not a mapping in the file",
        "stream": "must be a mapping, got a number",
    }


def test_a_variable_that_could_mean_two_providers_is_refused(faults_in: Faults) -> None:
    text = "providers: {a-b: {base_url: http://x/v1}, a.b: {base_url: http://x/v1}}"
    assert faults_in(text, POINTSMAN_PROVIDERS__A_B__ENABLED="no") == {
        "POINTSMAN_PROVIDERS__A_B__ENABLED": "is ambiguous in providers: a-b or a.b; set it in the file"
    }


@pytest.mark.parametrize(
    ("variable", "text", "path", "problem"),
    [
        (
            "POINTSMAN_STREAM__STALL",
            "soon",
            "stream.stall",
            'must be a duration such as 500ms, 15s, 3m, 2h or 7d, got "soon"',
        ),
        ("POINTSMAN_HEDGE__MAX_PARALLEL", "many", "hedge.max_parallel", 'must be an integer from 1 to 8, got "many"'),
        ("POINTSMAN_HEDGE__MAX_PARALLEL", "9", "hedge.max_parallel", 'must be at most 8, got "9"'),
        ("POINTSMAN_STICKY__ENABLED", "maybe", "sticky.enabled", 'must be true or false, got "maybe"'),
        ("POINTSMAN_STICKY__MODES", "fast,slow", "sticky.modes[1]", 'must be one of balanced, smart, fast, got "slow"'),
        (
            "POINTSMAN_SERVER__CLIENT_KEY",
            "sk-a b",
            "server.client_key",
            "must be visible ASCII characters without spaces or line ends",
        ),
    ],
)
def test_a_bad_value_is_reported_with_its_place_and_its_variable(
    faults_in: Faults, variable: str, text: str, path: str, problem: str
) -> None:
    [(found, told)] = faults_in(FILE, **{variable: text}).items()
    assert found == path
    assert told in (problem, f"{problem} from {variable}")
    assert "sk-a" not in told


class TestReferences:
    def test_are_filled_in_anywhere_in_a_text_and_more_than_once(self, load_text: Load) -> None:
        settings = load_text(
            "providers: {p: {base_url: 'http://${HOST}:${PORT}/v1', keys: [${A}, 'x-${B}'], models: [{id: m}]}}",
            HOST="h",
            PORT="81",
            A="k1",
            B="k2",
        )
        assert settings.providers["p"].base_url == "http://h:81/v1"
        assert [key.value.get_secret_value() for key in settings.providers["p"].keys] == ["k1", "x-k2"]

    def test_give_numbers_and_flags_where_these_are_wanted(self, load_text: Load) -> None:
        settings = load_text(
            FILE + "sticky: {enabled: ${E}, max_sessions: ${N}, idle_ttl: ${T}, modes: [${M}]}",
            E="false",
            N="7",
            T="9m",
            M="fast",
        )
        assert (settings.sticky.enabled, settings.sticky.max_sessions) == (False, 7)
        assert (settings.sticky.idle_ttl, settings.sticky.modes) == (540.0, ("fast",))

    def test_are_not_looked_for_in_what_the_environment_gave(self, load_text: Load) -> None:
        settings = load_text(
            "server: {client_key: ${A}}\n" + FILE, A="${B}", POINTSMAN_SERVER__ADMIN_KEY="${C}", B="no", C="no"
        )
        assert settings.server.client_key is not None
        assert settings.server.client_key.get_secret_value() == "${B}"
        assert settings.server.admin_key is not None
        assert settings.server.admin_key.get_secret_value() == "${C}"

    def test_in_comments_and_in_overridden_settings_are_not_missed(self, load_text: Load) -> None:
        settings = load_text(
            "# ${ABSENT}\nserver: {header_prefix: ${ABSENT}}\n" + FILE, POINTSMAN_SERVER__HEADER_PREFIX="Z-"
        )
        assert settings.server.header_prefix == "Z-"

    @pytest.mark.parametrize(
        ("text", "path", "problem"),
        [
            (
                "server: {client_key: ${ABSENT}}",
                "server.client_key",
                "refers to the environment variable ABSENT, which is not set; set it, or remove the reference",
            ),
            (
                "server: {client_key: ${EMPTY}}",
                "server.client_key",
                "refers to the environment variable EMPTY, which is empty; set it, or remove the reference",
            ),
            (
                "server: {intercept: [a.b, ${ABSENT}]}",
                "server.intercept[1]",
                "refers to the environment variable ABSENT, which is not set; set it, or remove the reference",
            ),
            (
                "hedge: {max_parallel: ${WORD}}",
                "hedge.max_parallel",
                "must be an integer from 1 to 8, got a value from WORD",
            ),
            (
                "server: {header_prefix: '${WORD:-X-}'}",
                "server.header_prefix",
                'contains a "${" that does not start a ${NAME}; names consist of letters, digits and _',
            ),
        ],
    )
    def test_that_cannot_be_filled_in_name_place_variable_and_remedy(
        self, faults_in: Faults, text: str, path: str, problem: str
    ) -> None:
        assert faults_in(f"{text}\n{FILE.replace('hedge:', '')}", EMPTY="", WORD="word") == {path: problem}

    def test_are_all_missed_at_once(self, faults_in: Faults) -> None:
        faults = faults_in("providers: {groq: {keys: [${A}, {value: ${B}}], base_url: 'http://${C}/v1'}}")
        assert set(faults) == {"providers.groq.keys[0]", "providers.groq.keys[1].value", "providers.groq.base_url"}
