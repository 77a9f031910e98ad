"""What unknown names of well-known families are taken as, by the built-in table."""

import re
from pathlib import Path

import pytest

from pointsman.config import UnknownModel
from pointsman.config.enums import Dialect, Mode
from pointsman.domain.targets import Inventory
from pointsman.routing.explain import explain
from pointsman.routing.resolve import Resolution, resolve
from pointsman.routing.router import Router
from pointsman.routing.unknown_models import FAMILIES, ROWS, taken_as
from pointsman.wire.errors import Code, Problem
from routing.routing_builders import labels, request
from support.clients_in_core import SECRET, caller
from support.settings import provider, settings

REFERENCE = Path(__file__).parents[2] / "docs" / "configuration.md"
PROVIDERS = {
    "a": provider("http://127.0.0.1:9/v1", "claude-opus-4-5", "openai/gpt-oss-120b"),
    "b": provider("http://127.0.0.1:9/v1", "meta/gpt-oss-120b"),
}


def resolved(asked: str, unknown_model: str = "map", **routing: object) -> Resolution:
    own = settings(PROVIDERS, routing={"unknown_model": unknown_model, **routing})
    return resolve(asked, own, Inventory.from_settings(own))


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("claude-opus-4-6", "auto-smart"),
        ("claude-opus-4-1-20250805", "auto-smart"),
        ("claude-3-opus@20240229", "auto-smart"),
        ("anthropic/claude-opus-4.6", "auto-smart"),
        ("us.anthropic.claude-opus-4-20250514-v1:0", "auto-smart"),
        ("Claude-Opus-4-6", "auto-smart"),
        ("claude-opus-4-6[1m]", "auto-smart"),
        ("claude-3-5-haiku-latest", "auto-fast"),
        ("claude-haiku-4-5-20251001", "auto-fast"),
        ("claude-sonnet-4-5", "auto-balanced"),
        ("gpt-5.2", "auto-balanced"),
        ("gpt-5.2-pro", "auto-smart"),
        ("openai/gpt-5-mini-2025-08-07", "auto-fast"),
        ("gpt-5-nano", "auto-fast"),
        ("gpt-4o", "auto-balanced"),
        ("gpt-5.1-codex-mini", "auto-fast"),
        ("o1", "auto-balanced"),
        ("o1-pro", "auto-smart"),
        ("o3", "auto-balanced"),
        ("o4-mini", "auto-fast"),
        ("openrouter/openai/o3-mini:free", "auto-fast"),
        ("gemini-3-pro-preview", "auto-smart"),
        ("models/gemini-2.5-flash", "auto-fast"),
        ("google/models/gemini-2.5-flash-lite-preview-09-2025", "auto-fast"),
        ("gemini-exp-1206", "auto-balanced"),
    ],
)
def test_a_name_of_a_known_family_is_a_mode(name: str, mode: str) -> None:
    assert taken_as(name, UnknownModel.MAP) == mode
    found = resolved(name)
    assert (found.requested, found.name, found.taken_as, found.automatic) == (name, mode, mode, True)
    assert labels(found.targets) == ["a/claude-opus-4-5", "a/openai/gpt-oss-120b", "b/meta/gpt-oss-120b"]


@pytest.mark.parametrize(
    "name",
    [
        "", "claude", "claude-", "gpt", "gpt4", "o2-mini", "o1x", "o11", "llama-3.3-70b", "my-claude-opus", "mini",
        "opus", "gemini", "claude-opus-4/finetuned", "notgpt-4", "/", "mistral/pro", "text-embedding-3-small",
    ],
)  # fmt: skip
def test_another_unknown_name_stays_a_404(name: str) -> None:
    with pytest.raises(Problem) as caught:
        resolved(name)
    assert caught.value.code is Code.MODEL_NOT_FOUND


def test_a_known_name_is_itself() -> None:
    found = resolved("claude-opus-4-5")
    assert (labels(found.targets), found.taken_as) == (["a/claude-opus-4-5"], None)


def test_an_ambiguous_name_is_not_taken_as_a_mode() -> None:
    with pytest.raises(Problem, match="may mean"):
        resolved("gpt-oss-120b")


def test_an_alias_comes_first() -> None:
    found = resolved("claude-opus-9", aliases={"claude-opus-9": "auto-fast"})
    assert (found.mode, found.taken_as) == (Mode.FAST, None)


@pytest.mark.parametrize("name", ["claude-opus-4-6", "nobody"])
def test_without_map_the_table_is_not_used(name: str) -> None:
    with pytest.raises(Problem):
        resolved(name, "error")
    found = resolved(name, "auto", default_mode="fast")
    assert (found.name, found.mode, found.taken_as) == ("auto", Mode.FAST, "auto")


def test_explain_says_that_the_name_is_unknown() -> None:
    router = Router(settings(PROVIDERS, routing={"unknown_model": "map"}), SECRET)
    for name, means, is_unknown in (("claude-haiku-9", "auto-fast", True), ("auto-smart", "auto-smart", False)):
        plan = router.preview_plan(request(name), Dialect.OPENAI_CHAT, caller(), 0.0, 0.0)
        told = explain(plan, 0.0, 0.0)
        assert (told["model"], told["means"], told["is_unknown"]) == (name, means, is_unknown)


def test_the_reference_has_the_table() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    section = text.partition("### Unknown model names")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (.+?) \| `(auto-\w+)` \|$", section, re.MULTILINE)
    assert [(tuple(re.findall(r"`(\w+)`", words)), mode) for words, mode in rows] == [
        (row.words, row.taken_as) for row in ROWS
    ]
    assert all(f"`{family}`" in section for family in FAMILIES)
