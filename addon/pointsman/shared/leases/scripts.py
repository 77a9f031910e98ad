"""The scripts by which parts of a limit are leased. All of them hold the same promise: what was used, and what is
leased and not used yet, are together never more than the limit.

How much is leased at a time, in all of them:

    leased = min(wanted, room, max(kept, needed, (room - used here) / (2 * instances)))

`kept` is what the instance holds and does not give back, `needed` what its requests wait for, and `wanted` what it will
need soon; `room` is what no other instance has used or holds. So leases shrink as the room does, and an idle instance
holds nothing.

A call is about the whole state of its instance, so one that is repeated or lost changes nothing for long; one that
comes late, after a newer one, is ignored, and its reply is empty.
"""

from pointsman.shared.part import Script

CLOCK = "local time = redis.call('TIME')"
LEASE_SECONDS = 2.0
"""Seconds for which the engine keeps a lease that is not renewed."""

COMMON = f"""
{CLOCK}
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function read(key)
  local flat, found = redis.call('HGETALL', key), {{}}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end
local function whole(number) return string.format('%.0f', number + 0) end -- never -0, which is no integer
"""

WINDOW = Script(
    "window",
    COMMON
    + """
local all, own, me, seq = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local span, length, limit = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local stated, stated_until = tonumber(ARGV[6]), now + tonumber(ARGV[7])
local wanted, kept, needed = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local life, instances, since = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])

local mine = read(own)
if mine.seq and seq <= tonumber(mine.seq) then return {} end
redis.call('HSET', own, 'seq', ARGV[2])
mine.seq = nil

local used, leased = {}, 0
local function is_old(step) return (step + 1) * length + span <= now end
local function add(step, amount)
  if is_old(step) then return end
  used[step] = (used[step] or 0) + amount
  redis.call('HINCRBY', all, whole(step), whole(amount))
end
if stated_until <= now then stated = 0 end

for name, value in pairs(read(all)) do
  local kind, owner = string.match(name, '^(%a):(.*)$')
  local amount, at = string.match(value, '^(-?%d+) ?(%d*)$')
  amount, at = tonumber(amount), tonumber(at)
  if not kind then
    local step = tonumber(name)
    if is_old(step) then redis.call('HDEL', all, name) else used[step] = (used[step] or 0) + amount end
  elseif kind == 's' then
    -- what was stated at the same time is told a little later each time: that does not count as stated again
    local is_known = amount == stated and at and at > stated_until - 1000
    if at and at > now and (stated == 0 or amount < stated or is_known) then stated, stated_until = amount, at end
  elseif kind == 'l' and owner ~= me then
    if at > now then
      leased = leased + amount
    else -- its instance may have used all of it until then; if it comes back, it says what it has used
      redis.call('HDEL', all, name)
      add(math.floor(at / length), amount)
      redis.call('HSET', all, 'x:' .. owner, whole(amount) .. ' ' .. whole(math.floor(at / length)))
    end
  elseif kind == 'x' and (owner == me or is_old(at)) then
    redis.call('HDEL', all, name)
    add(at, -amount)
  end
end

for i = 14, #ARGV, 3 do -- what this instance has used in each of its own steps, and how long ago
  local name, step, amount = ARGV[i], math.floor((now - ARGV[i + 1]) / length), tonumber(ARGV[i + 2])
  if mine[name] then
    local before, at = string.match(mine[name], '^(-?%d+) (%d+)$')
    add(tonumber(at), -tonumber(before))
  end
  add(step, amount)
  mine[name] = whole(amount) .. ' ' .. whole(step)
  redis.call('HSET', own, name, mine[name])
end

local by_me = {}
for name, value in pairs(mine) do
  local amount, step = string.match(value, '^(-?%d+) (%d+)$')
  step = tonumber(step)
  if is_old(step) then redis.call('HDEL', own, name) else by_me[step] = (by_me[step] or 0) + tonumber(amount) end
end

if stated > 0 then
  redis.call('HSET', all, 's:', whole(stated) .. ' ' .. whole(stated_until))
  limit = math.min(limit, stated)
else
  redis.call('HDEL', all, 's:')
end
local total, others = 0, {}
for step, amount in pairs(used) do
  total = total + amount
  if step >= since and amount ~= (by_me[step] or 0) then
    others[#others + 1] = step
    others[#others + 1] = amount - (by_me[step] or 0)
  end
end
local room = limit - total - leased
local lease = math.max(0, math.min(wanted, room, math.max(kept, needed, math.floor(room / (2 * instances)))))
if lease > 0 then
  redis.call('HSET', all, 'l:' .. me, whole(lease) .. ' ' .. whole(now + life))
else
  redis.call('HDEL', all, 'l:' .. me)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, whole(span + 2 * length + life)) end
return {now, lease, math.max(0, room - lease), stated, math.max(0, stated_until - now), others}
""",
)
"""A sliding window. What was used is counted in steps of the engine's clock, for all and for each instance; a lease
that ends unrenewed counts as used at its end.

keys: what all have used, and this instance
args: instance, number of the call, milliseconds of the window and of a step, limit, the limit that the provider has
stated or 0, the milliseconds for which that counts, wanted, kept, needed, milliseconds of a lease, instances, the first
step that the reply shows; then for each step that has changed its name, the milliseconds since its last use, and what
was used
reply: the engine's time in milliseconds, what is leased, the room that is left, the limit stated or 0, the milliseconds
for which it counts, and what others have used: step, amount, step, amount, …
"""

CEILING = Script(
    "ceiling",
    COMMON
    + """
local key, me, ledger, seq, limit = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local wanted, kept, needed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local life, instances, version, lifetime = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]

local spent, leases, latest = {}, {}, 0
for name, value in pairs(read(key)) do
  local kind, owner = string.match(name, '^(%a):(.*)$')
  if kind == 's' then
    spent[owner] = tonumber(value)
  elseif kind == 'l' then
    local ceiling, ends, last, whose = string.match(value, '^(-?%d+) (%d+) (%d+) (.*)$')
    if owner == me then
      if seq <= tonumber(last) then return {} end
    elseif tonumber(ends) > now then
      leases[#leases + 1] = {whose, tonumber(ceiling)}
    else
      redis.call('HDEL', key, name)
    end
  else
    latest = tonumber(value)
  end
end

for i = 12, #ARGV, 2 do -- spending only grows, so the highest number is the newest
  local amount = tonumber(ARGV[i + 1])
  if amount > (spent[ARGV[i]] or 0) then
    spent[ARGV[i]] = amount
    redis.call('HSET', key, 's:' .. ARGV[i], ARGV[i + 1])
    latest = redis.call('HINCRBY', key, 'version', 1)
  end
end

local room, own = limit, spent[ledger] or 0
for owner, amount in pairs(spent) do
  if owner ~= ledger then room = room - amount end
end
for _, lease in ipairs(leases) do room = room - math.max(0, lease[2] - (spent[lease[1]] or 0)) end
local share = own + math.floor((room - own) / (2 * instances))
local ceiling = math.max(own, math.min(wanted, room, math.max(kept, needed, share)))
redis.call('HSET', key, 'l:' .. me, table.concat({whole(ceiling), whole(now + life), ARGV[3], ledger}, ' '))
redis.call('PEXPIRE', key, lifetime)
local known = {}
if latest ~= version then
  for owner, amount in pairs(spent) do
    known[#known + 1] = owner
    known[#known + 1] = amount
  end
end
return {ceiling, math.max(0, room - ceiling), latest, known}
""",
)
"""What each instance may have used at most, of something that never comes back within a period (a budget), or that
comes back at once (requests at once: then nothing is ever spent). What is spent is kept for each ledger, and only
grows.

keys: one
args: instance, its ledger, number of the call, limit, wanted, kept, needed (all three with what is used and reserved
here already), milliseconds of a lease, instances, the version of the sums known here, milliseconds for which the key is
kept; then ledgers and what they have spent, as far as it is known here
reply: the ceiling, the room that is left, the version, and, unless it is the one known, every ledger and what it spent
"""

GUARD = Script(
    "guard",
    COMMON
    + """
local key, me, session, life = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local other, peers = '', 0
for owner, value in pairs(read(key)) do
  local ends, whose = string.match(value, '^(%d+) (.*)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', key, owner)
  elseif owner ~= me then
    peers = peers + 1
    if whose ~= session then other = whose end
  end
end
if session == '' or other ~= '' then
  redis.call('HDEL', key, me)
else
  redis.call('HSET', key, me, whole(now + life) .. ' ' .. session)
  redis.call('PEXPIRE', key, whole(life))
end
return {other, peers}
""",
)
"""The lock of a guarded provider, which serves one session at a time; several instances may serve the same one.

keys: one
args: instance, session (empty: this instance serves none any more), milliseconds of the lock
reply: the session that another instance serves, so that this one is refused, empty if it has the lock; and how many
other instances have it for the same session
"""
