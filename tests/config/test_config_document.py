"""YAML files: what is read from them, and what is said of those that cannot be read."""

import os
from pathlib import Path

import pytest

from pointsman.config import ConfigError, load
from pointsman.config.document import MAX_FILE_BYTES, parse, read


def test_references_are_kept_wherever_they_stand_unquoted_flow_lists_included() -> None:
    tree = parse('keys: [${ONE}, {value: "${TWO}"}]\nurl: https://x/${THREE}/v1\n# ${NOT_READ}\n', "p.yaml").tree
    assert tree == {"keys": ["${ONE}", {"value": "${TWO}"}], "url": "https://x/${THREE}/v1"}


def test_scalars_are_what_yaml_1_2_says_they_are() -> None:
    tree = parse("{a: off, b: yes, c: true, d: 010, e: 0x1F, f: 1e3, g: 2024-01-01, h: ~, i: '12', 404: x}", "p").tree
    assert tree == {
        **{"a": "off", "b": "yes", "c": True, "d": 10, "e": 31, "f": 1000.0},
        **{"g": "2024-01-01", "h": None, "i": "12", "404": "x"},
    }


def test_an_enormous_number_is_harmless() -> None:
    assert parse(f"a: {'9' * 6000}", "p").tree["a"] == float("inf")


def test_a_character_that_json_writes_as_two_escapes_is_one() -> None:
    assert parse('{"label": "\\ud83e\\udd8a fox", "\\ud83e\\udd8a": 1}', "p").tree == {"label": "🦊 fox", "🦊": 1}


def test_half_a_character_is_refused_with_its_place() -> None:
    document = parse('a:\n  label: "\\ud83e fox"\n', "p")
    [issue] = document.issues
    assert str(issue) == "a.label: has one half of an escaped character (line 2); write the character itself"
    str(document.tree).encode()


def test_anchors_and_merges_are_expanded_and_what_is_written_wins() -> None:
    tree = parse("a: &a {k: 1, l: 1}\nb: &b {k: 2}\nc: {<<: [*b, *a], m: 3}\nd: {k: 9, <<: *a}\ne: *b", "p").tree
    assert tree["c"] == {"k": 2, "l": 1, "m": 3}
    assert tree["d"] == {"k": 9, "l": 1}
    assert tree["e"] == {"k": 2}


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfstream:\r\n  stall: 9s\r\n")
    assert read(file).tree == {"stream": {"stall": "9s"}}


COLON = "has a misplaced colon; quote a value that contains one, or end the line above with a colon"
SPACE = "is indented with a character that only looks like a space; indent it with spaces"
NO_COLON = "lacks a colon and a space after a name, a space after the - of a list, or a closing bracket before it"
BRACKET = "has a bracket that is not closed, or lacks a comma in it"
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("- a\n", "", "must hold a mapping of sections (server, routing, providers, …), got a list"),
        ("sk-abcdef", "", "must hold a mapping of sections (server, routing, providers, …), got a single value"),
        ("stream:\n\tstall: 1s", ":2:1", "is indented with a tab; YAML requires spaces"),
        ("a:\n  b: 1\n c: 2", ":3:2", "is indented differently from the lines above it"),
        ("a: 1\n---\nb: 2", ":2:1", 'begins a second document; keep one, without "---"'),
        ("a: b: c", ":1:5", COLON),
        ("providers\n  groq:\n", ":2:7", COLON),
        ("providers:\n\u00a0\u00a0groq:\n", ":2", SPACE),
        ("a: 1\n\u200bb: 2", ":2", SPACE),
        ("keys: ['sk-abcdef\"]\nb: 1\n", ":1:8", "has a quotation mark that is not closed"),
        ("a: {b: [x]\nc: 2\n", ":1:4", BRACKET),
        ("a: {b: 1\nc: 2\n", ":1:4", NO_COLON),
        ("a:\n-sk-abcdef\n", ":2:1", NO_COLON),
        ("a: [%sk-abcdef]", ":1:5", "has a value that begins with a special character; quote it"),
        (
            "keys: [*sk-abcdef]",
            ":1:8",
            'uses an undefined alias; quote a value that begins with "*"',
        ),
        ("a: [1, 2", ":1:4", BRACKET),
        ("a: 1\nb: \x01", ":2", "contains a control character, which YAML forbids; remove it"),
        ("[" * 5000, "", "is nested more than 40 levels deep"),
        ("a: " + "[" * 50 + "]" * 50, "", "is nested more than 40 levels deep"),
        ("a: &a [*a]", "", "is nested more than 40 levels deep"),
        (LAUGHS, "", "contains more than 100000 values once its aliases are expanded"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_line_and_the_reason(text: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "p.yaml")
    assert caught.value.issues == ((f"p.yaml{where}", problem),)


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "a", "is defined twice (lines 1 and 3); remove one"),
        ("a: {b: 1, b: 2}", "a.b", "is defined twice (line 1); remove one"),
        ("keys: [{sk-abcdef: 1, sk-abcdef: 2}]", "keys[0]", "contains a key twice (line 1); remove one"),
        ("a: {[b]: 1}", "a", "has a list or a mapping as a key (line 1)"),
        ("[b]: 1", "p.yaml", "has a list or a mapping as a key (line 1)"),
        ("a: {<<: 1}", "a", 'must have a mapping after "<<"'),
        (
            "keys: [!sk-abcdef x]",
            "keys[0]",
            'has a YAML tag, which is not supported (line 1); quote a value that begins with "!"',
        ),
    ],
)
def test_what_is_wrong_at_one_place_leaves_the_rest_readable(text: str, path: str, problem: str) -> None:
    document = parse(f"{text}\nstream: {{stall: 1s}}", "p.yaml")
    assert document.issues == ((path, problem),)
    assert document.tree["stream"] == {"stall": "1s"}


@pytest.mark.parametrize(
    "text", ["keys: [*sk-abcdef]", "keys: [!sk-abcdef x]", "a: sk-abcdef: 1", "keys: [&sk-abcdef a, &sk-abcdef b]"]
)
def test_nothing_said_of_a_broken_file_repeats_its_words(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        said = str(parse(text, "p.yaml").issues)
    except ConfigError as error:
        said = str(error)
    assert "sk-abcdef" not in said + "".join(capfd.readouterr())


class TestAFileThatCannotBeOpened:
    def problem(self, path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        [fault] = caught.value.issues
        assert fault.path.startswith(str(path))
        return str(fault).removeprefix(str(path))

    def test_because_it_is_not_there(self, file: Path) -> None:
        assert self.problem(file) == ": does not exist; create it, or name another file"

    def test_because_it_is_a_directory(self, tmp_path: Path) -> None:
        assert self.problem(tmp_path) == ": is a directory; name the YAML file in it"

    def test_because_it_may_not_be_read(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(13, os.strerror(13))

        monkeypatch.setattr(Path, "open", refuse)  # a file mode would not stop a privileged user
        assert self.problem(file) == ": may not be read by this user; change its permissions"

    def test_because_of_something_else(self, file: Path) -> None:
        assert self.problem(file / "below-a-file") != ""
        file.write_text("")
        assert self.problem(file / "below-a-file") == f": cannot be read ({os.strerror(20)})"

    def test_because_it_is_not_utf_8(self, file: Path) -> None:
        file.write_bytes(b"a: 1\nb: caf\xe9\n")
        assert self.problem(file) == ":2: is not UTF-8 text; save the file as UTF-8"

    def test_because_it_is_too_large(self, file: Path) -> None:
        file.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
        assert self.problem(file) == ": is larger than 1 MiB, the limit for a configuration"

    @pytest.mark.parametrize("text", ["", "# nothing yet\n", "stream: {stall: 9s}", "providers:\n", "providers: {}"])
    def test_a_file_without_providers_is_an_error_with_a_remedy(self, file: Path, text: str) -> None:
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(file, {})
        assert str(caught.value) == (
            "providers: has no providers; add one, such as groq: {keys: [${GROQ_API_KEY}]}, "
            "or start without a file to see the demo providers"
        )
