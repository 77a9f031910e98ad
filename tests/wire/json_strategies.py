"""What readers must bear: any JSON under the names that they look at, and streams cut into any pieces."""

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from pointsman.wire.frames import Frame, Reader


def documents(*names: str, max_leaves: int = 100) -> st.SearchStrategy[Any]:
    """JSON of any form; its objects have members of these names."""
    simple = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    return st.recursive(
        simple,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner),
        max_leaves=max_leaves,
    )


def read_in_pieces(reader: Reader, stream: bytes, cuts: Sequence[int]) -> list[Frame]:
    """All frames of a stream that comes cut at these places."""
    borders = [0, *sorted(cuts), len(stream)]
    frames = [frame for a, b in itertools.pairwise(borders) for frame in reader.read(stream[a:b])]
    return [*frames, *reader.close()]
