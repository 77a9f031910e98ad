"""Whatever others write: good inputs, broken in every way, and bytes that mean nothing."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.config.enums import Dialect
from pointsman.wire.frames import FrameKind
from support.fuzzing import PATHS, TARGETS, Form, heard, seeds

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that have found a bug: a folder for each target."""
TOKENS = [b"\r", b"\n", b"\n\n", b"\0", b"\xff", b"{", b"}", b"[", b'"', b"null", b"1e999", b"data:", b"\\ud800", b":"]
EACH = pytest.mark.parametrize("target", TARGETS)


@st.composite
def broken(draw: st.DrawFn, target: str) -> bytes:
    """A good input with pieces taken out, put in, doubled, or replaced."""
    data = draw(st.sampled_from(seeds(target)))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 40))
        new = draw(st.sampled_from([b"", data[start:end] * 2, *TOKENS]) | st.binary(max_size=8))
        data = data[:start] + new + data[end:]
    return data


@EACH
def test_good_inputs_are_good(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("form", Form)
def test_good_answers_are_read_to_their_end(form: Form, name: Dialect) -> None:
    """Else the targets would look at refusals only."""
    kind = "list" if form is Form.LIST and name is Dialect.GEMINI else "whole" if form is Form.WHOLE else "stream"
    form = Form.STREAM if kind == "stream" else form
    reader = form.reader(name)
    frames = heard(reader, seeds(f"{kind}-{name}")[0])
    assert FrameKind.CONTENT in {frame.kind for frame in frames}
    assert reader.finished


@EACH
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_that_is_written_breaks_the_reader(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(broken(target) | st.binary(max_size=200)))


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.bin")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_has_found_a_bug_finds_none(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())
