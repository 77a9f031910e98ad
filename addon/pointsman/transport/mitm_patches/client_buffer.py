"""Data that an HTTP/1 client has sent and that is not read yet, and the lines that are taken from it.

Strangers write these lines, so the work they cause must grow no faster than their length. The readers behind this
buffer search some lines again from each of their bytes, copy a header again for each line it is folded over, and walk
through all headers for each one they look for.

Inner parts: h11's `ReceiveBuffer`, its `_data` and `_extract`. No switch: these are bounds on what a client may send.
"""

from h11 import LocalProtocolError
from h11._receivebuffer import ReceiveBuffer

from pointsman.wire.errors import Code, Problem

MAX_LINES = 2000
"""Lines of a request's head, folded ones included."""
MAX_FRAMING_BYTES = 1024
"""Bytes of the headers of one name that say where a request goes or where its body ends."""
FRAMING_HEADERS = frozenset({b"host", b"transfer-encoding", b"content-length"})

_TOO_MANY = Problem(Code.HEAD_TOO_LARGE, f"The request head has more than {MAX_LINES} lines.")


class MalformedLines(LocalProtocolError):
    """These lines are not read any further. `problem` says why, without their content."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class ClientBuffer(ReceiveBuffer):
    """Replaces h11's buffer on a client's connection."""

    def skip_blank_lines(self) -> int:
        """Drops the blank lines at the start and returns how many bytes they were."""
        if not self._data.startswith((b"\r", b"\n")):
            return 0
        return len(self._extract(len(self._data) - len(self._data.lstrip(b"\r\n"))))

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """A head or trailers, each header in one line. None while they are incomplete. Raises MalformedLines."""
        lines = super().maybe_extract_lines()
        if not lines:
            return lines
        if len(lines) > MAX_LINES:
            raise MalformedLines(_TOO_MANY)
        lines = unfolded(lines)
        _check_framing(lines)
        return lines

    def maybe_extract_next_line(self) -> bytearray | None:
        """The line before a chunk. None while it is incomplete. Raises MalformedLines if there is another line in
        it.
        """
        line = super().maybe_extract_next_line()
        if line is not None and line.find(b"\n") != len(line) - 1:
            raise MalformedLines(Problem(Code.INVALID_REQUEST, "A chunk's line ends with a bare line feed."))
        return line


def unfolded(lines: list[bytearray]) -> list[bytearray]:
    """Joins the lines of a folded header with blanks, as RFC 9112 (5.2) asks. A fold before the first header, where
    there is nothing to continue, is left for the reader to refuse.
    """
    if not any(line.startswith((b" ", b"\t")) for line in lines):
        return lines
    headers: list[list[bytearray]] = []
    for line in lines:
        if line.startswith((b" ", b"\t")) and len(headers) > 1:
            headers[-1].append(line.strip())
        else:
            headers.append([line])
    return [header[0] if len(header) == 1 else bytearray(b" ").join(header) for header in headers]


def _check_framing(lines: list[bytearray]) -> None:
    if sum(map(len, lines)) <= MAX_FRAMING_BYTES:
        return
    lengths = dict.fromkeys(FRAMING_HEADERS, 0)
    for line in lines:
        name = bytes(line.partition(b":")[0]).lower()
        if name in FRAMING_HEADERS:
            lengths[name] += len(line)
            if lengths[name] > MAX_FRAMING_BYTES:
                message = f"The header {name.decode()} exceeds {MAX_FRAMING_BYTES} bytes."
                raise MalformedLines(Problem(Code.INVALID_REQUEST, message))
