"""Protection levels: who may say them, and who is heard."""

from collections.abc import Callable

import pytest

from pointsman.config import ProtectionLevel, Settings

type Load = Callable[..., Settings]

FILE = """
providers:
  longcat: {models: [{id: m}]}
  openrouter: {models: [{id: openrouter/owl-alpha}, {id: m}]}
  groq: {models: [{id: Llama}, {id: qwen:free}, {id: a/b}]}
  own: {base_url: http://127.0.0.1:9/v1, protection: off, models: [{id: m}]}
"""


def level(settings: Settings, target: str) -> str:
    provider, _, model = target.partition("/")
    return settings.protection_of(provider, model).value


@pytest.mark.parametrize(
    ("section", "variable", "target", "expected"),
    [
        ("{}", "", "groq/Llama", "model-skip"),
        ("{}", "", "longcat/m", "provider-ban"),
        ("{}", "", "own/m", "off"),
        ("{longcat: off}", "", "longcat/m", "off"),
        ("{}", "", "openrouter/openrouter/owl-alpha", "provider-ban"),
        ("{}", "", "openrouter/m", "model-skip"),
        ("{openrouter: off}", "", "openrouter/openrouter/owl-alpha", "provider-ban"),
        ("{openrouter/openrouter/owl-alpha: off}", "", "openrouter/openrouter/owl-alpha", "off"),
        ("{}", "openrouter/openrouter/owl-alpha:off", "openrouter/openrouter/owl-alpha", "off"),
        ("{own: provider-ban}", "", "own/m", "provider-ban"),
        ("{own: provider-ban}", "own:model-skip", "own/m", "model-skip"),
        ("{groq/a/b: off}", "", "groq/a/b", "off"),
        ("{groq/a/b: off}", "", "groq/Llama", "model-skip"),
        ("{groq/a/b: off, groq: provider-ban}", "", "groq/a/b", "off"),
        ("{groq/a/b: off}", "groq:provider-ban", "groq/a/b", "off"),
        ("{groq/a/b: off}", "groq/a/b:provider-ban", "groq/a/b", "provider-ban"),
        ("{}", "groq/qwen:free:provider-ban", "groq/qwen:free", "provider-ban"),
        ("{}", " LONGCAT : Off , ,groq/LLAMA:PROVIDER-BAN,", "longcat/m", "off"),
        ("{}", " LONGCAT : Off , ,groq/LLAMA:PROVIDER-BAN,", "groq/Llama", "provider-ban"),
    ],
)
def test_the_more_specific_and_then_the_later_word_counts(
    load_text: Load, section: str, variable: str, target: str, expected: str
) -> None:
    settings = load_text(f"protection: {section}\n{FILE}", THREAD_PROTECTION_PLATFORMS=variable)
    assert level(settings, target) == expected


@pytest.mark.parametrize(
    ("entry", "warning"),
    [
        ("groq", '"groq" is ignored: an entry is provider:level'),
        (":off", '":off" is ignored: an entry is provider:level'),
        (
            "groq:bann",
            '"groq:bann" is ignored: the level must be one of provider-ban, model-skip, off, got "bann"',
        ),
        ("grok:off", '"grok:off" is ignored: there is no provider "grok" (did you mean "groq"?)'),
        ("groq/lama:off", '"groq/lama" names a model that groq does not have'),
    ],
)
def test_a_bad_entry_of_the_variable_is_warned_of_and_costs_only_itself(
    load_text: Load, entry: str, warning: str
) -> None:
    settings = load_text("providers: {groq: {keys: [k]}}", THREAD_PROTECTION_PLATFORMS=f"{entry},groq:provider-ban")
    assert settings.warnings == (f"THREAD_PROTECTION_PLATFORMS: {warning}",)
    assert settings.protection_of("groq", "any") is ProtectionLevel.PROVIDER_BAN


def test_providers_that_are_only_known_to_the_catalog_may_be_named(load_text: Load) -> None:
    text = "providers: {groq: {keys: [k]}}\nprotection: {openrouter/openrouter/owl-alpha: off}"
    settings = load_text(text, THREAD_PROTECTION_PLATFORMS="mistral:off")
    assert settings.warnings == ()
    assert settings.protection == {"openrouter/openrouter/owl-alpha": "off", "mistral": "off"}


def test_a_provider_that_is_not_configured_has_no_level(load_text: Load) -> None:
    with pytest.raises(KeyError):
        load_text(FILE).protection_of("nobody", "m")
