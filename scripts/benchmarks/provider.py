"""The provider behind all proxies, in a process of its own: every request gets the same answer, made beforehand.

The answer is a stream of events, written in bursts `--pause` seconds apart; without a pause, one burst in each
iteration of the event loop. With `--events 0` it is a whole answer of about `--event-bytes` bytes, with `--busy` a 503.
Prints its port when it listens; ends with the process that started it.
"""

import argparse
import asyncio
import re
import sys

from benchmarks import chunked, parent_watch

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DONE = b"data: [DONE]\n\n"


def events(count: int, size: int) -> list[bytes]:
    """The stream of a chat completion: `count` events including the end marker; most have `size` bytes."""
    opening = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"'
    closing = b'"}}]}\n\n'
    content = opening + b"x" * (size - len(opening) - len(closing)) + closing
    finish = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    return [*[content] * (count - 2), finish, DONE]


def bursts(stream: list[bytes], size: int) -> list[bytes]:
    """The bytes of a response with these events, in bursts of `size` events."""
    chunks = [chunked.encode(event) for event in stream]
    joined = [b"".join(chunks[start : start + size]) for start in range(0, len(chunks), size)]
    return (
        [HEAD + joined[0], *joined[1:-1], joined[-1] + chunked.END] if joined[1:] else [HEAD + joined[0] + chunked.END]
    )


def whole(size: int) -> bytes:
    """A chat completion that is not streamed, of about `size` bytes."""
    message = b'{"role":"assistant","content":"%b"}' % (b"x" * size)
    choice = b'{"index":0,"message":%b,"finish_reason":"stop"}' % message
    usage = b'{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}' % (size // 4, 9 + size // 4)
    return b'{"id":"1","object":"chat.completion","choices":[%b],"usage":%b}' % (choice, usage)


def framed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


BUSY = b'{"error":{"message":"busy"}}'
REFUSAL = b"HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BUSY), BUSY)


class Answering(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, answer: list[bytes], pause: float) -> None:
        self._answer = answer
        self._pause = pause
        self._received = bytearray()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = LENGTH.search(self._received, 0, end)
        if len(self._received) >= end + 4 + int(length[1] if length else 0):
            self._received.clear()
            self._write(0)

    def _write(self, n: int) -> None:
        self._transport.write(self._answer[n])
        if n + 1 == len(self._answer):
            return
        if self._pause:
            self._loop.call_later(self._pause, self._write, n + 1)
        else:
            self._loop.call_soon(self._write, n + 1)


async def serve(answer: list[bytes], pause: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answer, pause), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--event-bytes", type=int, required=True)
    parser.add_argument("--burst", type=int, required=True)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--busy", action="store_true")
    given = parser.parse_args(arguments)
    parent_watch.exit_with_parent()
    if given.busy:
        answer = [REFUSAL]
    elif given.events:
        answer = bursts(events(given.events, given.event_bytes), given.burst)
    else:
        answer = [framed(whole(given.event_bytes))]
    asyncio.run(serve(answer, given.pause))


if __name__ == "__main__":
    main(sys.argv[1:])
