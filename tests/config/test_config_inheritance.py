"""What a provider takes over from the catalog, and from the sections `stream` and `hedge`."""

from collections.abc import Callable

import pytest

from pointsman import catalog
from pointsman.config import Dialect, ProtectionLevel, Settings

type Load = Callable[..., Settings]


def test_a_known_name_alone_is_a_whole_provider(load_text: Load) -> None:
    groq = load_text("providers:\n  groq:\n").providers["groq"]
    known = catalog.known()["groq"]
    assert (groq.name, groq.base_url, groq.dialect) == ("groq", known["base_url"], Dialect.OPENAI_CHAT)
    assert [model.id for model in groq.models] == [model["id"] for model in known["models"]]
    assert groq.drop_params == tuple(known["drop_params"])


def test_what_is_written_stands_and_the_rest_is_inherited(load_text: Load) -> None:
    longcat = load_text("providers: {longcat: {base_url: http://h/v1, timeouts: {stall: 7s}}}").providers["longcat"]
    assert (longcat.base_url, longcat.protection) == ("http://h/v1", ProtectionLevel.PROVIDER_BAN)
    assert (longcat.timeouts.stall, longcat.timeouts.first_byte) == (7.0, 90.0)


def test_written_models_replace_the_known_list(load_text: Load) -> None:
    groq = load_text("providers: {groq: {models: [{id: mine}]}}").providers["groq"]
    assert [model.id for model in groq.models] == ["mine"]


def test_a_known_name_in_other_letters_is_not_known(load_text: Load) -> None:
    groq = load_text("providers: {Groq: {base_url: http://h/v1, models: [{id: m}]}}").providers["Groq"]
    assert groq.drop_params == ()


def test_an_address_in_the_catalog_may_need_the_environment(load_text: Load) -> None:
    settings = load_text("providers: {cloudflare: {keys: [k]}}", CLOUDFLARE_ACCOUNT_ID="acc")
    assert settings.providers["cloudflare"].base_url == "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1"


def test_at_another_address_no_further_dialects_are_taken_over(load_text: Load) -> None:
    """A proxy of one's own need not speak them, and its key must not go to the catalog's addresses."""
    home = load_text("providers: {openai: {keys: [k]}}").providers["openai"]
    assert (home.dialect, list(home.dialects)) == (Dialect.OPENAI_RESPONSES, [Dialect.OPENAI_CHAT])
    for text, env in (
        ("providers: {openai: {base_url: http://h/v1, keys: [k]}}", {}),
        ("providers: {openai: {keys: [k]}}", {"POINTSMAN_PROVIDERS__OPENAI__BASE_URL": "http://h/v1"}),
    ):
        elsewhere = load_text(text, **env).providers["openai"]
        assert (elsewhere.dialect, dict(elsewhere.dialects)) == (Dialect.OPENAI_CHAT, {})
        assert elsewhere.stream_usage
    written = load_text("providers: {openai: {base_url: http://h/v1, dialects: {anthropic: http://h/a}}}")
    assert list(written.providers["openai"].dialects) == [Dialect.ANTHROPIC]
    assert load_text("providers: {google: {base_url: http://h/v1}}").providers["google"].dialect is Dialect.GEMINI


def test_the_catalog_itself_is_left_as_it_was(load_text: Load) -> None:
    before = repr(catalog.known()["groq"])
    load_text("providers: {groq: {timeouts: {stall: 7s}, keys: [k]}}")
    assert repr(catalog.known()["groq"]) == before


@pytest.mark.parametrize(
    ("text", "first_byte"),
    [
        ("", 90.0),
        ("stream: {first_byte: 2s}", 2.0),
        ("stream: {stall: 2s}", 90.0),
    ],
    ids=["catalog", "section", "another key of the section"],
)
def test_timers_written_for_all_come_before_those_of_the_catalog(load_text: Load, text: str, first_byte: float) -> None:
    assert load_text(f"{text}\nproviders: {{groq: }}").providers["groq"].timeouts.first_byte == first_byte


def test_timers_written_for_one_provider_come_before_those_written_for_all(load_text: Load) -> None:
    text = "stream: {first_byte: 2s, stall: 3s, answer: 4s}\nproviders: {groq: {timeouts: {first_byte: 5s}}}"
    timeouts = load_text(text).providers["groq"].timeouts
    assert (timeouts.connect, timeouts.first_byte, timeouts.stall, timeouts.answer) == (10.0, 5.0, 3.0, 4.0)


def test_a_variable_counts_as_written_for_all(load_text: Load) -> None:
    settings = load_text("providers: {groq: }", POINTSMAN_STREAM__STALL="3s")
    assert settings.providers["groq"].timeouts.stall == 3.0


def test_a_hedge_of_its_own_is_completed_by_the_general_one(load_text: Load) -> None:
    text = (
        "hedge: {after: auto, max_parallel: 3}\nproviders: {"
        "a: {base_url: http://h/v1, hedge: {after: 8s}}, b: {base_url: http://h/v1, hedge: {after: off}},"
        "c: {base_url: http://h/v1, hedge: {max_parallel: 2}}, d: {base_url: http://h/v1}}"
    )
    hedges = {name: provider.hedge for name, provider in load_text(text).providers.items()}
    assert {name: (hedge.after, hedge.max_parallel) for name, hedge in hedges.items()} == {
        "a": (8.0, 3),
        "b": (None, 3),
        "c": ("auto", 2),
        "d": ("auto", 3),
    }
