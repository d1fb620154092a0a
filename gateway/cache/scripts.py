"""What Redis does in one step, so that no other gateway comes between.

Redis may evict any key at any time, or hold something else under it, and nothing that was dropped
may be given for that. Therefore one key holds the whole order of the drops, and is lost as a whole:
the number of the last, the first that is still known, and the number of each tag's last. Every
entry has the number at which its reading began. It is good if that lies in the order that there is
and none of its tags was dropped since; that it is deleted, too, saves room. A new order begins
anywhere, so that no number of an old one lies in it.

The number of the last drop is also kept by itself, to be read along with entries. It can only be
right or gone: whatever changes the order writes it.
"""

from __future__ import annotations

PREFIX = "webhook-log-gateway:2:"
"""Of every key. The number is the form of what is kept, and changes with it: gateways of two forms
share nothing, and do not hear of one another's drops."""
ENTRY, TAG, ORDER, LAST, TAKEN, RATE = (
    PREFIX + part for part in ("e:", "t:", "order", "last", "l:", "r:")
)
BOUNDS = ("first", "last")
"""What the order holds beside tags, which have a colon."""
BEGINNINGS = 10**15
"""How many numbers an order may begin with; they are exact in Lua, and have so many digits."""
DROPS_KEPT = 10_000
"""Tags whose last drop is known. What was read before an earlier drop counts as dropped."""
LEASE = 2.0
"""Seconds after which the work for a key is another's, if its process died."""

_ASK = """
local broken = 0
local function ask(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if string.find(answer.err, 'WRONGTYPE', 1, true) then
    broken = broken + redis.call('DEL', key)
  end
  return redis.call(command, key, ...)
end
"""
"""Ask about a key in whose place there is nothing, if there is something of another type. Each
script tells what came of it, and how many keys were ``broken``."""

_ORDERED = (
    _ASK
    + f"""
local order = '{ORDER}'
local function tell(last)
  local text = string.format('%016.0f', last)
  redis.call('SET', '{LAST}', text)
  return text
end
local first, last = unpack(ask('ZMSCORE', order, 'first', 'last'))
first, last = tonumber(first), tonumber(last)
if not (first and last and first <= last and last < {2**53} and last % 1 == 0) then
  broken = broken + redis.call('DEL', order)
  first, last = tonumber(ARGV[1]), tonumber(ARGV[1])
  redis.call('ZADD', order, first, 'first', last, 'last')
end
"""
)
"""Find the order, or begin one with the first argument, which all scripts have."""

BEGIN = (
    "#!lua flags=allow-oom"
    + _ORDERED
    + f"""
local kept = ask('GET', '{LAST}')
if kept ~= tell(last) and kept then broken = broken + 1 end
return {{last, broken}}
"""
)
"""Give the number of the last drop, where it is not kept by itself."""

WRITE = (
    _ORDERED
    + f"""
local size, ttl, asked, latest, generation = 6, tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6])
if generation < first or generation > last then
  tell(last)
  return {{0, broken}}
end
for _, dropped in ipairs(redis.call('ZMSCORE', order, 'first', unpack(ARGV, size + 1))) do
  if dropped and tonumber(dropped) > generation then return {{0, broken}} end
end
local standing = ask('GETRANGE', KEYS[1], 0, 15)
if standing > asked and standing <= latest then return {{0, broken}} end
redis.call('SET', KEYS[1], asked .. ARGV[6] .. ARGV[2], 'PX', ttl)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = size + 1, #ARGV do
  local tag = '{TAG}' .. ARGV[i]
  ask('ZREMRANGEBYSCORE', tag, '-inf', now)
  redis.call('ZADD', tag, now + ttl, string.sub(KEYS[1], {len(ENTRY) + 1}))
  redis.call('PEXPIRE', tag, math.max(ttl, redis.call('PTTL', tag)))
end
return {{1, broken}}
"""
)
"""Keep an entry: its own text, how long, when it was asked for, the latest time that is not after
every clock, the number at which its reading began, and its tags."""

DROP = (
    "#!lua flags=allow-oom"
    + _ORDERED
    + f"""
last = redis.call('ZINCRBY', order, 1, 'last')
tell(last)
local count = 0
for i = 2, #ARGV do
  local tag = '{TAG}' .. ARGV[i]
  for _, key in ipairs(ask('ZRANGE', tag, 0, -1)) do
    count = count + redis.call('DEL', '{ENTRY}' .. key)
  end
  redis.call('DEL', tag)
  redis.call('ZADD', order, last, ARGV[i])
end
local over = redis.call('ZCARD', order) - {DROPS_KEPT}
if over > 0 then
  local forgotten = redis.call('ZRANGE', order, over - 1, over - 1, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYRANK', order, 0, over - 1)
  redis.call('ZADD', order, forgotten, 'first')
end
return {{count, broken}}
"""
)
"""Drop tags; tell how many entries that were."""

TAKE = (
    _ASK
    + """
local most, window = tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local kept = ask('GET', KEYS[1])
local full = tonumber(kept)
if kept and not (full and redis.call('PTTL', KEYS[1]) > 0) then broken, full = broken + 1, nil end
full = math.min(math.max(now, full or 0), now + window)
local left = most - 1 - (full - now) * most / window
if left >= 0 then
  full = full + window / most
  redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil((full - now) / 1000))
end
return {string.format('%.17g', left), broken}
"""
)
"""Take one of so many, which come back in a window of seconds. Cached is the microsecond at which all
are back, and only until then; should the clock have been set back, it is at most a window away."""

_MILLISECONDS = int(LEASE * 1000)
TAKE_ON = (
    _ASK
    + f"""
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > {_MILLISECONDS} then broken = redis.call('DEL', KEYS[1]) end
local taken = redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', {_MILLISECONDS})
return {{taken and 1 or 0, broken}}
"""
)
"""Take a lease, which nobody has for longer than it lasts."""

_OWN = _ASK + "if ask('GET', KEYS[1]) == ARGV[2] then redis.call("
EXTEND = _OWN + f"'PEXPIRE', KEYS[1], {_MILLISECONDS}) end return {{0, broken}}"
GIVE_BACK = _OWN + "'DEL', KEYS[1]) end return {0, broken}"
"""Do with a lease what only its owner may."""
