"""The script of each tick: shows that this instance is alive, appends its deltas to the stream of all, and reads what
the others have appended.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pointsman.shared.part import Script

ALIVE = 3.0
"""Seconds since its last tick for which an instance counts."""
MAX_ENTRIES = 10_000
"""Entries of the stream that the engine keeps; the oldest go first."""
PAGE = 64
"""Entries that are read in one tick; while there are more, the next tick follows at once."""
KEPT = 7 * 86_400
"""Seconds after which the engine forgets the keys of instances that never come back."""

EXCHANGE = Script(
    "exchange",
    f"""
local instances, stream, engine = KEYS[1], KEYS[2], KEYS[3]
local me, known, fresh, last, checks = ARGV[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local seen, counted = tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local ticks = redis.call('HINCRBY', engine, 'ticks', 1)
local own = tonumber(redis.call('HGET', engine, 'ticks:' .. me))
local is_older = ticks <= seen or (own and own < counted)
own = math.max(own or 0, counted) + 1
redis.call('HSET', engine, 'ticks:' .. me, own)
local epoch = redis.call('HGET', engine, 'epoch')
if not epoch or is_older then
  epoch = fresh
  redis.call('HSET', engine, 'epoch', epoch)
end
redis.call('ZADD', instances, string.format('%.3f', now), me)
redis.call('ZREMRANGEBYSCORE', instances, '-inf', string.format('%.3f', now - {ALIVE}))
if ticks % 500 == 1 then
  for i = 1, 3 do redis.call('EXPIRE', KEYS[i], {KEPT}) end
  for _, name in ipairs(redis.call('HKEYS', engine)) do
    if name:sub(1, 6) == 'ticks:' and not redis.call('ZSCORE', instances, name:sub(7)) then
      redis.call('HDEL', engine, name)
    end
  end
end
if epoch ~= known then last = '0-0' end
local has_gap = 0
if checks == '1' and last ~= '0-0' then
  local first = redis.call('XRANGE', stream, '-', '(' .. last, 'COUNT', 1)
  if not first[1] then has_gap = 1 end
end
for i = 8, #ARGV do
  redis.call('XADD', stream, 'MAXLEN', '~', {MAX_ENTRIES}, '*', 'from', me, 'deltas', ARGV[i])
end
local read = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', {PAGE})
local others = {{}}
for _, entry in ipairs(read) do
  last = entry[1]
  if entry[2][2] ~= me then others[#others + 1] = entry[2][4] end
end
return {{time[1], time[2], redis.call('ZCARD', instances), epoch, ticks, own, last, #read, has_gap, others}}
""",
)

LEAVE = Script("leave", "return redis.call('ZREM', KEYS[1], ARGV[1])")


class ExchangeReply(NamedTuple):
    """`server` is the engine's time in seconds. `epoch` changes when the engine has lost what it knew: `ticks` counts
    all exchanges and `own_ticks` those of this instance, and neither may fall. `is_page_full`: there is more to read.
    `has_gap`: entries that were never read here are gone.
    """

    server: float
    instances: int
    epoch: bytes
    ticks: int
    own_ticks: int
    last: bytes
    is_page_full: bool
    has_gap: bool
    entries: Sequence[bytes]

    @classmethod
    def from_reply(cls, reply: Any) -> "ExchangeReply":
        seconds, micros, instances, epoch, ticks, own, last, read, has_gap, entries = reply
        server = int(seconds) + int(micros) / 1e6
        return cls(server, instances, epoch, ticks, own, last, read >= PAGE, has_gap == 1, entries)
