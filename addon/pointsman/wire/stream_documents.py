"""The JSON documents that the events of a stream hold."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pointsman.wire import jsontext
from pointsman.wire.json_access import Document
from pointsman.wire.long_strings import LONG, LongStrings
from pointsman.wire.sse import LARGE_EVENT, Decoder

LINE, BETWEEN = b"data: ", b"\n\ndata: "


class StreamDocuments:
    """`loads` is `jsontext.loads`, or `loads_exactly` where documents are written out again. Without `long_strings` the
    documents have theirs.
    """

    def __init__(self, loads: Callable[[bytes], Any] = jsontext.loads, long_strings: LongStrings | None = None) -> None:
        self._decoder = Decoder(LARGE_EVENT)
        self._loads, self._long_strings = loads, long_strings

    def of(self, raw: bytes) -> Iterator[Document]:
        """What cannot be read is left out: the provider's own reader has counted it."""
        if self._long_strings is None or len(raw) <= LONG:
            yield from self._documents(raw)
        else:
            yield from self._shortened(raw, self._long_strings)

    def _shortened(self, raw: bytes, long_strings: LongStrings) -> Iterable[Document]:
        """What stood between two quotes and was no string is read as it is."""
        known = len(long_strings)
        short = long_strings.take_out(raw)
        documents = list(self._documents(short))
        if documents or short is raw:
            return documents
        long_strings.forget(known)
        return self._documents(raw)

    def _documents(self, raw: bytes) -> Iterator[Document]:
        for data in self._data_of(raw):
            if data and isinstance(document := self._parsed(data), dict):
                yield document

    def _parsed(self, data: bytes) -> Any:
        try:
            return self._loads(data)
        except ValueError:
            return None

    def _data_of(self, raw: bytes) -> Iterable[bytes | None]:
        """Most events come as one line each, and need no decoder."""
        if raw.startswith(LINE) and raw.endswith(b"\n\n") and raw.count(b"\n") == 2 * raw.count(BETWEEN) + 2:
            return raw[len(LINE) : -2].split(BETWEEN)
        return [event.data for event in self._decoder.feed(raw)]
