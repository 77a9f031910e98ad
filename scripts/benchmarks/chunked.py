"""HTTP/1.1 chunked bodies, as much of them as the benchmarks need."""

END = b"0\r\n\r\n"


def encode(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def decode(message: bytes) -> bytes:
    """The body of a whole message, head included. Raises ValueError where it is not chunked."""
    head, _, rest = message.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        raise ValueError("not a chunked answer")
    pieces = []
    while not rest.startswith(END):
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if rest[length : length + 2] != b"\r\n":
            raise ValueError("a chunk that is not as long as it says")
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(pieces)
