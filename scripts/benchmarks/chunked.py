"""HTTP/1.1 chunked bodies, as far as the benchmarks need them."""

END = b"0\r\n\r\n"


def encode(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def decode(message: bytes) -> bytes:
    """The body of a complete message with headers. Raises ValueError if it is not chunked correctly."""
    head, _, rest = message.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        raise ValueError("the answer is not chunked")
    pieces = []
    while not rest.startswith(END):
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if rest[length : length + 2] != b"\r\n":
            raise ValueError("a chunk has another size than announced")
        pieces.append(rest[:length])
        rest = rest[length + 2 :]
    return b"".join(pieces)
