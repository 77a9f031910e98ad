from __future__ import annotations

import pytest

from demo.raw_client import ask
from pointsman.demo import Provider, behaviours


@pytest.mark.parametrize("name", behaviours.NAMES)
def test_every_name_is_a_spec_without_arguments(name):
    spec = f"answer{name}" if name.startswith("|") else name
    assert behaviours.parse(spec).name.startswith(spec)


def test_every_behaviour_of_the_menu_has_a_name_unless_it_needs_what_no_text_can_give():
    spelt = {name.removeprefix("|") for name in behaviours.NAMES}
    assert set(behaviours.__all__) - spelt == {"NAMES", "closed_port", "exact", "gated", "parse", "with_headers"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("answer:hello", "hello"),
        ("answer:hello, world", "hello, world"),
        ("answer:text=a=b", "a=b"),
        ("answer:Time: 5,pace=0.001,finish=length", "Time: 5"),
        ("answer:text=named", "named"),
        ("answer:text=a, b,usage=no,model=other", "a, b"),
        ("counted:3", "1 2 3 "),
        ("counted:tokens=2,pace=0.001", "1 2 "),
        ("answer:zipped|compressed:br", "zipped"),
        ("answer:in drops | compressed:gzip | drip:3,every=0", "in drops"),
        ("wrong_length:off=0", "one two three four five six seven eight"),
    ],
)
async def test_arguments_arrive(session, spec, said):
    async with Provider(behaviours.parse(spec)) as provider:
        assert (await ask(session, provider)).said == said


@pytest.mark.parametrize(
    ("spec", "status"),
    [("status:418", 418), ("status:code=500", 500), ("status:429,body=slow down", 429), ("html", 200)],
)
async def test_statuses(session, spec, status):
    async with Provider(behaviours.parse(spec)) as provider:
        assert (await ask(session, provider)).status == status


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no behaviour is called ''; known are answer, "),
        ("nix", "no behaviour is called 'nix'; known are answer, "),
        ("compressed:gzip", "no behaviour is called 'compressed'"),
        ("answer|nix", "no behaviour is called 'nix'; known are delayed, compressed, "),
        ("answer|status:503", "no behaviour is called 'status'; known are delayed, "),
        ("status:many", "status: code must be a whole number, got 'many'"),
        ("answer:a,pace=fast", "answer: pace must be a number, got 'fast'"),
        ("answer:a,done=maybe", "answer: done must be one of yes, true, no, false, got 'maybe'"),
        ("hang:somewhere", "hang: where must be one of before-headers, after-headers, after-role, got 'somewhere'"),
        ("wrapped:nix", "wrapped: shape must be one of openai, string"),
        ("error_within:shape=nix", "error_within: shape must be one of openai, string"),
        ("answer:a=b", "answer has no 'a'; it takes text, tokens, "),
        ("silence:please", "silence takes no arguments"),
        ("hang:after-role,for=3", "hang has no 'for'; it takes where"),
        ("silence:for=3", "silence has no 'for'; it takes nothing"),
        ("answer:a,tokens=3", "answer: tokens cannot be given in a spec"),
    ],
)
def test_a_spec_that_is_none_says_why(spec, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below, unescaped
        behaviours.parse(spec)
    assert message in str(caught.value)
