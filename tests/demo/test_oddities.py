from __future__ import annotations

import json

import pytest

from demo.raw_client import RawClient, ask
from pointsman.demo import Provider, behaviours

ODDITIES = [
    behaviours.pings(0.01, 0.002, "a b c"),
    behaviours.comments("a b c"),
    behaviours.multiline("a b c"),
    behaviours.line_ends("crlf", text="a b c"),
    behaviours.line_ends("cr", text="a b c"),
    behaviours.line_ends("lf", space=False, text="a b c"),
    behaviours.finish_twice("a b c"),
    behaviours.hop_by_hop("a b c"),
    *(behaviours.usage_at(where, "a b c") for where in ("first", "finish", "every", "after-done")),
    *(behaviours.compressed(behaviours.answer("a b c"), coding) for coding in ("gzip", "deflate", "br", "zstd")),
    behaviours.drip(behaviours.answer("a b c")),
    behaviours.drip(behaviours.compressed(behaviours.answer("a b c")), piece=3),
    behaviours.with_trailers(behaviours.answer("a b c")),
    behaviours.until_close(behaviours.answer("a b c")),
    behaviours.closing(behaviours.answer("a b c")),
    behaviours.delayed(behaviours.answer("a b c"), 0.001),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("behaviour", ODDITIES, ids=lambda behaviour: behaviour.name)
async def test_an_odd_answer_says_the_same_and_ends_well(session, behaviour, stream):
    async with Provider(behaviour) as provider:
        reply = await ask(session, provider, stream=stream)
        again = await ask(session, provider, stream=stream)
    assert (reply.said, reply.error) == ("a b c", None)
    assert again.said == "a b c"
    if stream:
        assert "[DONE]" in reply.events


async def body_of(session, behaviour) -> str:
    async with Provider(behaviour) as provider:
        return (await ask(session, provider, stream=True)).body.decode()


async def test_pings_stand_between_the_tokens(session):
    body = await body_of(session, behaviours.pings(seconds=0.004, every=0.001, text="a b", after_tokens=1))
    assert body.count(": ping\n\n") == 4
    assert body.index('"a"') < body.index(": ping") < body.index('" b"')


async def test_comments_stand_before_every_event(session):
    blocks = (await body_of(session, behaviours.comments("a b"))).split("\n\n")
    assert blocks[0:-1:2] == [": ping"] * 5


async def test_multiline_events_have_several_data_lines(session):
    first = (await body_of(session, behaviours.multiline())).split("\n\n")[0]
    assert first.count("\ndata: ") > 5


@pytest.mark.parametrize(("style", "newline"), [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")])
async def test_line_ends_are_of_one_kind(session, style, newline):
    body = await body_of(session, behaviours.line_ends(style, space=False))
    assert body.endswith(f"data:[DONE]{newline}{newline}")
    assert set(body) & {"\r", "\n"} == set(newline)
    assert "data: " not in body


async def test_the_finish_reason_comes_twice(session):
    assert (await body_of(session, behaviours.finish_twice())).count('"finish_reason":"stop"') == 2


@pytest.mark.parametrize(
    ("where", "places"),
    [("first", [1]), ("finish", [3]), ("every", [0, 1, 2, 3]), ("after-done", [5])],
)
async def test_usage_comes_unasked_in_an_odd_place(session, where, places):
    async with Provider(behaviours.usage_at(where, "a b")) as provider:
        events = (await ask(session, provider, stream=True)).events
    found = [place for place, event in enumerate(events) if event != "[DONE]" and event.get("usage")]
    assert found == places


async def test_hop_by_hop_headers_are_there():
    async with Provider(behaviours.hop_by_hop()) as provider:
        client = await RawClient.open(provider)
        client.post(stream=True)
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        await client.close()
    for line in ("Connection: keep-alive, X-Demo-Hop", "Keep-Alive: ", "Proxy-Connection: ", "Upgrade: ", "TE: "):
        assert f"\r\n{line}" in head
    assert "\r\nTransfer-Encoding: chunked\r\n" in head


def test_every_oddity_is_a_value_with_a_name():
    names = [behaviour.name for behaviour in ODDITIES]
    assert "answer|compressed:gzip|drip:3" in names
    assert json.dumps(names)
