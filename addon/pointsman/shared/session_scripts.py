"""The scripts that write and find sessions. All keys of one run belong to one shard, and share its hash tag:

TAG:s:ID    a session, a hash of the fields that `session_fields` describes
TAG:n:NAME  a name: the id of its session
TAG:x:NAME  an exchange: the same, or `*` if several sessions ended with it
"""

from pointsman.shared.part import Script
from pointsman.shared.session_fields import COURSE, PINS, STAMP_BYTES, TIME_DIGITS

AMBIGUOUS = "*"

WRITE = Script(
    "sessions-write",
    f"""
local function maker(value) return value:sub({TIME_DIGITS + 1}, {STAMP_BYTES}) end
local lifetime, newer, k, a = ARGV[1], {{}}, 1, 2
while a <= #ARGV do
  local id, fields, names, exchanges = ARGV[a], tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local session = KEYS[k]
  k, a = k + 1, a + 4
  for _ = 1, fields do
    local field, value = ARGV[a], ARGV[a + 1]
    local kept = redis.call('HGET', session, field)
    if kept and kept:sub(1, {STAMP_BYTES}) > value:sub(1, {STAMP_BYTES}) then
      newer[#newer + 1] = id
      newer[#newer + 1] = field
      newer[#newer + 1] = kept
    else
      redis.call('HSET', session, field, value)
      if kept and field == '{PINS}' and maker(kept) ~= maker(value) then
        newer[#newer + 1] = id
        newer[#newer + 1] = field
        newer[#newer + 1] = ''
      end
    end
    a = a + 2
  end
  redis.call('EXPIRE', session, lifetime)
  for _ = 1, names do
    redis.call('SET', KEYS[k], id, 'EX', 2 * lifetime)
    k = k + 1
  end
  for _ = 1, exchanges do
    local holder = redis.call('GET', KEYS[k])
    redis.call('SET', KEYS[k], (holder and holder ~= id) and '{AMBIGUOUS}' or id, 'EX', 2 * lifetime)
    k = k + 1
  end
end
return newer
""",
)
"""Arguments: the lifetime in seconds, then of each session its id, the numbers of its fields, names and exchanges, and
each field with its value. Keys: of each session itself, its names and its exchanges. Names live twice as long, as they
are not written each time. Returns id, field and value of what the engine has in a newer version, which stays, and of
pins that have replaced those of another instance, with an empty value.
"""

FIND = Script(
    "sessions-find",
    f"""
for i = 1, #KEYS do
  local id = redis.call('GET', KEYS[i])
  if id then
    local session = ARGV[1] .. id
    local course = redis.call('HGET', session, '{COURSE}')
    if course and string.find(course, ARGV[i + 1], 1, true) then
      return {{id, redis.call('HGETALL', session)}}
    end
  end
end
return false
""",
)
"""Keys: names, the best first. Arguments: what the key of a session begins with, and the names themselves. Returns the
id and the fields of the first session that still has such a name.
"""

FORGET = Script("sessions-forget", "return redis.call('DEL', KEYS[1])")
