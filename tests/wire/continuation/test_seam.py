"""Where a second text joins the first: found by its characters, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.continuation.seam import ANCHOR, PREAMBLE, AnchorSeam, PrefillSeam, Seam, SeamError, anchor_of

HEAD = "It was the best of times, it was the worst of times, it was the age of wisdom"
REST = ", it was the age of foolishness."
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


def joined(seam: Seam, *pieces: str) -> str:
    """What goes out of the pieces."""
    return "".join(map(seam.take, pieces)) + seam.end()


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class TestAnchor:
    @pytest.mark.parametrize("size", [1, 5, 47, 1000])
    @pytest.mark.parametrize("preamble", ["", "\n", HEAD[-60:-ANCHOR], HEAD[:-ANCHOR]])
    def test_what_follows_it_goes_out(self, size, preamble):
        seam = AnchorSeam(HEAD)
        assert joined(seam, *pieces(preamble + HEAD[-ANCHOR:] + REST, size)) == REST
        assert seam.trimmed == len(preamble) + ANCHOR

    @pytest.mark.parametrize("size", [1, 5, 47, 1000])
    def test_words_may_announce_it_behind_a_text_that_shows_whether_it_repeats_itself(self, size):
        said = "Never before, and never since, has so much been said of so little: " + HEAD
        second = "Sure, here is the rest:\n\n" + HEAD[-ANCHOR:] + REST
        assert joined(AnchorSeam(said), *pieces(second, size)) == REST
        with pytest.raises(SeamError):
            joined(AnchorSeam(HEAD), second)

    def test_a_text_that_goes_on_without_it_may_come_to_it_again(self):
        verse = "Row, row, row your boat:\ngently down the stream, and merrily:\n"
        said = "An old song, which everybody knows, and hardly anybody knows to its very end, begins so: " + verse
        with pytest.raises(SeamError):
            joined(AnchorSeam(said + verse[:20]), verse[20:] + verse)

    @pytest.mark.parametrize(
        "second",
        [
            REST,
            HEAD[-ANCHOR + 1 :] + REST,
            "x" * (PREAMBLE + 1) + HEAD[-ANCHOR:] + REST,
            HEAD[-ANCHOR:].replace("worst", "Worst") + REST,
            f'Your last words are "{HEAD[-ANCHOR:]}"{REST}',
            f"```\n{HEAD[-ANCHOR:]}{REST}\n```",
            "",
        ],
        ids=["none", "shorter", "too-late", "changed", "quoted", "fenced", "nothing"],
    )
    def test_without_it_nothing_does(self, second):
        seam = AnchorSeam(HEAD)
        sent: list[str] = []
        with pytest.raises(SeamError):
            sent.extend([*map(seam.take, pieces(second, 3)), seam.end()])
        assert "".join(sent) == ""

    @pytest.mark.parametrize("owed", [" ", "\n\n", "  \t\n"])
    def test_white_space_at_the_cut_has_to_come_again(self, owed):
        assert joined(AnchorSeam(HEAD + owed), HEAD[-ANCHOR:], owed, "x") == "x"
        assert joined(AnchorSeam(HEAD + owed), HEAD[-ANCHOR:], owed[:1]) == ""
        with pytest.raises(SeamError, match="white space"):
            joined(AnchorSeam(HEAD + owed), HEAD[-ANCHOR:], "x")

    def test_at_most_so_much_is_held_back(self):
        seam = AnchorSeam(HEAD)
        assert seam.take("x" * (ANCHOR + PREAMBLE - 1)) == ""
        with pytest.raises(SeamError):
            seam.take("x")

    @pytest.mark.parametrize("text", ["", "   ", "short", "ha " * 40, "=" * 60, "abcabcabcabc", f"{HEAD} {HEAD}"])
    def test_some_texts_have_none(self, text):
        assert anchor_of(text) is None

    @pytest.mark.parametrize("text", ["The quick", HEAD, HEAD + " \n", f"  {HEAD}"])
    def test_others_do(self, text):
        anchor = anchor_of(text)
        assert anchor
        assert text.rstrip().endswith(anchor)

    @given(TEXTS, TEXTS, st.integers(1, 20))
    def test_any_text_goes_on_exactly(self, said, rest, size):
        anchor = anchor_of(said)
        if anchor is not None:
            owed = said[len(said.rstrip()) :]
            assert joined(AnchorSeam(said), *pieces(anchor + owed + rest, size)) == rest


class TestPrefill:
    @pytest.mark.parametrize("size", [1, 5, 31, 1000])
    @pytest.mark.parametrize("overlap", [0, 32, 40, len(HEAD)])
    def test_a_long_overlap_is_dropped(self, size, overlap):
        seam = PrefillSeam(HEAD)
        assert joined(seam, *pieces(HEAD[len(HEAD) - overlap :] + REST, size)) == REST
        assert seam.trimmed == overlap

    @pytest.mark.parametrize("size", [1, 5, 1000])
    @pytest.mark.parametrize("second", [HEAD[-31:] + REST, HEAD[:31], f"Sure: {REST}", HEAD[10:60] + " and then"])
    def test_anything_shorter_is_passed_as_it_was_written(self, size, second):
        assert joined(PrefillSeam(HEAD), *pieces(second, size)) == second

    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.parametrize(
        ("said", "second"),
        [
            ("ha " * 30, "ha " * 30),
            ("| a | b |\n" * 9, "| a | b |\n" * 9 + "end"),
            ("=" * 60, "=" * 60 + "\n"),
            (HEAD, HEAD + HEAD),
            (HEAD, HEAD[:40] + " of other words entirely, and more"),
            (HEAD, HEAD[:40]),
            ("Hello", "Hello there"),
        ],
        ids=["laughter", "table", "rule", "twice", "restart", "a-part", "too-short"],
    )
    def test_an_unclear_seam_is_an_error(self, size, said, second):
        seam = PrefillSeam(said)
        with pytest.raises(SeamError):
            joined(seam, *pieces(second, size))

    @pytest.mark.parametrize(
        ("owed", "second", "out"),
        [
            (" ", " x", "x"),
            (" ", "x", "x"),
            ("\n\n", "\nx", "x"),
            ("\n", "\n\nx", "\nx"),
            ("  ", " ", ""),
            (" ", "", ""),
        ],
    )
    def test_white_space_at_the_cut_is_not_sent_twice(self, owed, second, out):
        assert joined(PrefillSeam(HEAD + owed), *second) == out
        assert joined(PrefillSeam(HEAD + owed), HEAD + second) == out

    @given(TEXTS.filter(str.strip), TEXTS, st.integers(1, 20))
    def test_any_continuation_goes_on_exactly_or_not_at_all(self, said, rest, size):
        """White space apart, which is owed, and overlaps, which are dropped."""
        head = said.rstrip()
        seam, out = PrefillSeam(said), []
        try:
            for each in pieces(rest, size):
                out.append(seam.take(each))
            out.append(seam.end())
        except SeamError:
            return
        assert "".join(out) == rest[seam.trimmed :]
        assert seam.trimmed == 0 or head.endswith(rest[: seam.trimmed].rstrip()) or not rest[: seam.trimmed].strip()
