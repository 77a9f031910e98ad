"""The menu: everything a provider can do with a request, as functions that give a `Behaviour`.

`answers` end well, and so do `oddities`, in an odd form; `early` goes wrong before an answer and `breaks` within one;
`errors` are said openly or wrapped in a 200; `floods` are too much; `manners` change how any behaviour is given.
`specs` knows them by name.
"""

from pointsman.demo.menu.answers import answer, counted, echo, exact
from pointsman.demo.menu.breaks import cut, error_within, garbled, pause, reset_within, stall, truncated, wrong_length
from pointsman.demo.menu.early import (
    closed_port,
    early_hints,
    hang,
    hang_up,
    json_for_stream,
    reset,
    silence,
    slow_headers,
    sse_for_whole,
)
from pointsman.demo.menu.errors import (
    empty,
    garbage,
    html,
    huge_error,
    no_content,
    rate_limited,
    redirect,
    status,
    wrapped,
    wrapped_json,
)
from pointsman.demo.menu.floods import big_event, bomb, endless, endless_line, flood
from pointsman.demo.menu.manners import (
    closing,
    compressed,
    delayed,
    drip,
    gated,
    unread,
    until_close,
    with_headers,
    with_trailers,
)
from pointsman.demo.menu.oddities import comments, finish_twice, hop_by_hop, line_ends, multiline, pings, usage_at
from pointsman.demo.menu.specs import NAMES, parse

__all__ = [
    "NAMES",
    "answer",
    "big_event",
    "bomb",
    "closed_port",
    "closing",
    "comments",
    "compressed",
    "counted",
    "cut",
    "delayed",
    "drip",
    "early_hints",
    "echo",
    "empty",
    "endless",
    "endless_line",
    "error_within",
    "exact",
    "finish_twice",
    "flood",
    "garbage",
    "garbled",
    "gated",
    "hang",
    "hang_up",
    "hop_by_hop",
    "html",
    "huge_error",
    "json_for_stream",
    "line_ends",
    "multiline",
    "no_content",
    "parse",
    "pause",
    "pings",
    "rate_limited",
    "redirect",
    "reset",
    "reset_within",
    "silence",
    "slow_headers",
    "sse_for_whole",
    "stall",
    "status",
    "truncated",
    "unread",
    "until_close",
    "usage_at",
    "with_headers",
    "with_trailers",
    "wrapped",
    "wrapped_json",
    "wrong_length",
]
