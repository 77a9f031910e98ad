"""What a requested model name means, in the order in which it is read."""

import pytest

from pointsman.config import Settings
from pointsman.config.enums import Kind, Mode
from pointsman.domain.targets import Inventory
from pointsman.routing.resolve import Resolution, mode_from_name, resolve
from pointsman.wire.errors import Code, Problem
from routing.routing_builders import labels
from support.settings import provider, settings

BASE = "http://127.0.0.1:9/v1"
PROVIDERS = {
    "groq": provider(BASE, "llama", "shared"),
    "hub": provider(BASE, "shared", "groq/llama", "groq/owl", "hub/owl", "owl"),
    "off": provider(BASE, "asleep", enabled=False),
}
ALIASES = {"gpt-4o": "auto-smart", "nick": "nickname", "nickname": "groq/llama", "owl": "shared", "both": "shared"}
EVERY = [
    "groq/llama",
    "groq/shared",
    "hub/shared",
    "hub/groq/llama",
    "hub/groq/owl",
    "hub/hub/owl",
    "hub/owl",
    "off/asleep",
]


def resolved(asked: str | None, own: Settings) -> Resolution:
    return resolve(asked, own, Inventory.from_settings(own))


def house(**routing: object) -> Settings:
    return settings(PROVIDERS, routing={"aliases": ALIASES, "default_mode": "fast", **routing})


@pytest.mark.parametrize(
    ("asked", "name", "mode"),
    [
        (None, "auto", Mode.FAST),
        ("auto", "auto", Mode.FAST),
        ("auto-balanced", "auto-balanced", Mode.BALANCED),
        ("auto-smart", "auto-smart", Mode.SMART),
        ("auto-fast", "auto-fast", Mode.FAST),
        ("gpt-4o", "auto-smart", Mode.SMART),
    ],
)
def test_a_mode_means_every_target_ranked_in_that_mode(asked: str | None, name: str, mode: Mode) -> None:
    found = resolved(asked, house())
    assert labels(found.targets) == EVERY
    assert (found.requested, found.name, found.mode) == (asked or "auto", name, mode)
    assert found.automatic
    assert not found.explicit


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("groq/llama", "groq/llama"),
        ("hub/groq/llama", "hub/groq/llama"),
        ("hub/owl", "hub/owl"),
        ("hub/hub/owl", "hub/hub/owl"),
        ("nick", "groq/llama"),
        ("off/asleep", "off/asleep"),
    ],
    ids=[
        "though another one has an id of that spelling",
        "an id with a slash",
        "though it has an id of that spelling",
        "an id that begins like its provider",
        "an alias of an alias",
        "though it is switched off",
    ],
)
def test_a_provider_and_its_model_mean_that_one_target(asked: str, target: str) -> None:
    found = resolved(asked, house())
    assert labels(found.targets) == [target]
    assert (found.requested, found.name, found.mode) == (asked, target, Mode.FAST)
    assert found.explicit
    assert not found.automatic


@pytest.mark.parametrize(
    ("asked", "targets"),
    [
        ("llama", ["groq/llama"]),
        ("shared", ["groq/shared", "hub/shared"]),
        ("both", ["groq/shared", "hub/shared"]),
        ("owl", ["groq/shared", "hub/shared"]),
        ("groq/owl", ["hub/groq/owl"]),
        ("asleep", ["off/asleep"]),
    ],
    ids=[
        "one has it",
        "two have it",
        "by an alias",
        "an alias hides an id",
        "groq has no owl, so this is an id",
        "though it is switched off",
    ],
)
def test_a_bare_id_means_every_provider_that_has_it(asked: str, targets: list[str]) -> None:
    found = resolved(asked, house())
    assert labels(found.targets) == targets
    assert found.mode is Mode.FAST
    assert not found.explicit
    assert not found.automatic


MAKERS = {
    "or": provider(BASE, "openrouter/owl-alpha", "qwen/coder", "plain"),
    "nim": provider(BASE, "openrouter/owl-alpha", "meta/coder", "meta/plain", "meta/redirected"),
    "own": provider(BASE, "m", redirects=[{"match": "exact", "source": "redirected", "target": "m"}]),
}


class TestLastPart:
    def test_it_means_the_one_model_whose_id_ends_so(self) -> None:
        own = settings(MAKERS, routing={"default_mode": "fast", "aliases": {"owl": "owl-alpha"}})
        for asked in ("owl-alpha", "owl"):
            found = resolved(asked, own)
            assert labels(found.targets) == ["or/openrouter/owl-alpha", "nim/openrouter/owl-alpha"]
            assert (found.requested, found.name, found.mode) == (asked, "owl-alpha", Mode.FAST)
            assert not found.explicit
            assert not found.automatic

    def test_of_several_models_it_is_not_found_and_the_answer_lists_them(self) -> None:
        with pytest.raises(Problem) as caught:
            resolved("coder", settings(MAKERS))
        assert caught.value.code is Code.MODEL_NOT_FOUND
        assert str(caught.value) == "'coder' may mean meta/coder or qwen/coder; ask for one of these."

    @pytest.mark.parametrize(("asked", "target"), [("plain", "or/plain"), ("redirected", "own/m")])
    def test_whole_ids_and_redirects_come_before_it(self, asked: str, target: str) -> None:
        assert labels(resolved(asked, settings(MAKERS)).targets) == [target]

    @pytest.mark.parametrize("asked", ["alpha", "OWL-ALPHA", "/owl-alpha", "uter/owl-alpha"])
    def test_less_than_the_last_part_means_nothing(self, asked: str) -> None:
        with pytest.raises(Problem):
            resolved(asked, settings(MAKERS))


@pytest.mark.parametrize(
    "asked",
    ["", "nobody", "groq/nobody", "nobody/llama", "groq/", "/llama", "LLAMA", "AUTO", "smart", "auto-", "auto-best"],
)
class TestUnknownName:
    def test_it_is_not_found(self, asked: str) -> None:
        with pytest.raises(Problem) as caught:
            resolved(asked, house())
        assert caught.value.code is Code.MODEL_NOT_FOUND
        assert caught.value.param == "model"
        assert repr(asked) in caught.value.message

    def test_it_is_auto_where_the_configuration_says_so(self, asked: str) -> None:
        found = resolved(asked, house(unknown_model="auto"))
        assert labels(found.targets) == EVERY
        assert (found.requested, found.name, found.mode) == (asked, "auto", Mode.FAST)
        assert found.automatic


def test_a_name_with_line_ends_stays_on_one_line_of_the_message() -> None:
    with pytest.raises(Problem) as caught:
        resolved("evil\r\nX-Header: 1", house())
    assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize("policy", ["error", "auto", "map"])
def test_a_name_beyond_all_bounds_means_nothing(policy: str) -> None:
    with pytest.raises(Problem) as caught:
        resolved("claude-" + "x" * 1_000, house(unknown_model=policy))
    assert (caught.value.code, len(caught.value.message) < 300) == (Code.MODEL_NOT_FOUND, True)


def test_a_known_name_is_not_widened_by_unknown_model() -> None:
    assert labels(resolved("llama", house(unknown_model="auto")).targets) == ["groq/llama"]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("auto", Mode.SMART),
        ("auto-fast", Mode.FAST),
        ("auto-smart", Mode.SMART),
        ("auto-", None),
        ("auto-x", None),
        ("autofast", None),
        ("-fast", None),
        ("fast", None),
        ("", None),
    ],
)
def test_only_auto_and_its_modes_name_a_mode(name: str, mode: Mode | None) -> None:
    assert mode_from_name(name, Mode.SMART) is mode


class TestKinds:
    """`e` is an embedding model at both, `c` a chat model at one and an embedding model at the other."""

    OWN = settings(
        {
            "one": {**provider(), "models": [{"id": "e", "kind": "embedding"}, {"id": "c"}]},
            "two": {
                **provider(),
                "models": [
                    {"id": "e", "kind": "embedding"},
                    {"id": "c", "kind": "embedding"},
                    {"id": "mod", "kind": "moderation"},
                ],
            },
        },
        routing={"aliases": {"ada": "e", "mine": "two/e"}, "unknown_model": "auto"},
    )

    @pytest.mark.parametrize(
        ("asked", "kind", "targets"),
        [
            ("e", Kind.EMBEDDING, ["one/e", "two/e"]),
            ("ada", Kind.EMBEDDING, ["one/e", "two/e"]),
            ("mine", Kind.EMBEDDING, ["two/e"]),
            ("one/e", Kind.EMBEDDING, ["one/e"]),
            ("c", Kind.EMBEDDING, ["two/c"]),
            ("c", Kind.CHAT, ["one/c"]),
            ("auto", Kind.CHAT, ["one/c"]),
            (None, Kind.CHAT, ["one/c"]),
            ("nobody-has-it", Kind.CHAT, ["one/c"]),
            (None, Kind.MODERATION, ["two/mod"]),
        ],
    )
    def test_only_targets_of_the_kind_count(self, asked: str | None, kind: Kind, targets: list[str]) -> None:
        found = resolve(asked, self.OWN, Inventory.from_settings(self.OWN), kind)
        assert labels(found.targets) == targets

    @pytest.mark.parametrize(
        ("asked", "kind", "code", "words"),
        [
            (
                "one/c",
                Kind.EMBEDDING,
                Code.MODEL_NOT_FOUND,
                "kind chat; this path needs a model of kind embedding: one/e",
            ),
            ("e", Kind.CHAT, Code.MODEL_NOT_FOUND, "kind embedding; this path needs a model of kind chat: one/c"),
            ("e", Kind.IMAGE, Code.MODEL_NOT_FOUND, "none is configured (`kind: image`"),
            ("auto", Kind.EMBEDDING, Code.INVALID_REQUEST, "is for chats"),
            ("auto-smart", Kind.MODERATION, Code.INVALID_REQUEST, "is for chats"),
            (None, Kind.EMBEDDING, Code.INVALID_REQUEST, "names no model"),
            (None, Kind.IMAGE, Code.INVALID_REQUEST, "none is configured"),
            ("nobody-has-it", Kind.EMBEDDING, Code.MODEL_NOT_FOUND, "'nobody-has-it'"),
        ],
    )
    def test_what_is_of_no_use_is_refused(self, asked: str | None, kind: Kind, code: Code, words: str) -> None:
        with pytest.raises(Problem) as caught:
            resolve(asked, self.OWN, Inventory.from_settings(self.OWN), kind)
        assert (caught.value.code, caught.value.param) == (code, "model")
        assert words in caught.value.message
