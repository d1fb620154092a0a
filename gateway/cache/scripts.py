"""Lua scripts, which Redis executes atomically.

Redis may evict any key at any time, or hold something else under it; evicted entries must never
reappear because of that. So one key, ORDER, holds all evictions and is lost only as a whole. It has
the number of the latest eviction, of the first one still known, and of the latest one for each tag.
The number of the latest eviction when an entry's load began is its generation. The entry is valid
if its generation lies within the order and none of its tags was evicted since; deleting its key
only saves memory. A new order begins at a random number, so that no generation of an old one lies
in it.

Example: the order is first 7, last 9, hook:a 9. An entry of generation 8 with the tag hook:a is
invalid, one with the tag hook:b is valid, and one of generation 5 is invalid whatever its tags.

LAST holds the number of the latest eviction on its own, to be read along with entries. Every script
that changes the order also writes it, so it is correct or missing.
"""

from __future__ import annotations

PREFIX = "webhook-log-gateway:2:"
"""Prefix of every key. The number is the version of the format: gateways with different formats
share no entries and do not see one another's evictions."""
ENTRY, TAG, ORDER, LAST, TAKEN, RATE = (
    PREFIX + part for part in ("e:", "t:", "order", "last", "l:", "r:")
)
BOUNDS = ("first", "last")
"""The members of the order that are not tags; tags contain a colon."""
FIRST_NUMBERS = 10**15
"""Range of the first number of an order; all are exact in Lua and have at most 16 digits."""
KNOWN_EVICTIONS = 10_000
"""Maximum number of tags whose latest eviction is known. Entries loaded before an older eviction
are treated as evicted."""
LEASE = 2.0
"""Seconds after which another process may load a key, if the process that began has died."""

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
"""Call a command; a key of another type is deleted first. Each script returns its result and how
many keys were ``broken``."""

_ORDERED = (
    _ASK
    + f"""
local order = '{ORDER}'
local function save_last(last)
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
"""Read the order, or begin one at the first argument, which all scripts have."""

BEGIN = (
    "#!lua flags=allow-oom"
    + _ORDERED
    + f"""
local kept = ask('GET', '{LAST}')
if kept ~= save_last(last) and kept then broken = broken + 1 end
return {{last, broken}}
"""
)
"""Return the number of the last eviction if LAST is missing."""

WRITE = (
    _ORDERED
    + f"""
local size, ttl, asked, latest = 6, tonumber(ARGV[3]), ARGV[4], ARGV[5]
local generation = tonumber(ARGV[6])
if generation < first or generation > last then
  save_last(last)
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
"""Store an entry: its text, its time to live, when it was requested, the latest plausible time of a
request, its generation, and its tags."""

EVICT = (
    "#!lua flags=allow-oom"
    + _ORDERED
    + f"""
last = redis.call('ZINCRBY', order, 1, 'last')
save_last(last)
local count = 0
for i = 2, #ARGV do
  local tag = '{TAG}' .. ARGV[i]
  for _, key in ipairs(ask('ZRANGE', tag, 0, -1)) do
    count = count + redis.call('DEL', '{ENTRY}' .. key)
  end
  redis.call('DEL', tag)
  redis.call('ZADD', order, last, ARGV[i])
end
local over = redis.call('ZCARD', order) - {KNOWN_EVICTIONS}
if over > 0 then
  local forgotten = redis.call('ZRANGE', order, over - 1, over - 1, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYRANK', order, 0, over - 1)
  redis.call('ZADD', order, forgotten, 'first')
end
return {{count, broken}}
"""
)
"""Evict tags; return how many entries had one."""

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
"""Take one of a number of uses, which are replenished evenly over a window of seconds. The key
holds the microsecond at which all are available again; at most one window ahead, even if the clock
was set back."""

_MILLISECONDS = int(LEASE * 1000)
ACQUIRE = (
    _ASK
    + f"""
local left = redis.call('PTTL', KEYS[1])
if left == -1 or left > {_MILLISECONDS} then broken = redis.call('DEL', KEYS[1]) end
local taken = redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', {_MILLISECONDS})
return {{taken and 1 or 0, broken}}
"""
)
"""Take a lease, unless another process holds it."""

_OWN = _ASK + "if ask('GET', KEYS[1]) == ARGV[2] then redis.call("
EXTEND = _OWN + f"'PEXPIRE', KEYS[1], {_MILLISECONDS}) end return {{0, broken}}"
RELEASE = _OWN + "'DEL', KEYS[1]) end return {0, broken}"
"""Extend or end a lease, which only its owner may do."""
