-- prelude: what every script of a partition begins with. It stands before the body, after the first line.
-- KEYS[1] m  hash  counters and state of the partition; it exists as long as the partition does
-- KEYS[2] !  never exists. Two declared keys, of which one is missing, make a Redis Cluster answer TRYAGAIN
--            while the slot migrates, so no script ever runs on half a partition.
-- ARGV[1] now  ms; 0 = the server's clock (tests pass one)
local call, unpack = redis.call, unpack
local sub, char, byte, find, format = string.sub, string.char, string.byte, string.find, string.format
local floor, max, min = math.floor, math.max, math.min
local M, P = KEYS[1], sub(KEYS[1], 1, -2)
local NOCRAWL = {err = 'NOCRAWL the crawl does not exist (any more)'}
local NEVER = 9e15 -- ms: later than any time that occurs

-- State of the partition, as read by open.
local now, state, paused, token, waiting, crawl_delay, crawl_concurrency

-- open reads the state and the clock, and returns false if there is no such crawl. Time never runs backwards,
-- not even after a failover to a server whose clock is behind.
local function open()
  state = call('HMGET', M, 'v', 't', 'z', 'q', 'w', 'pd', 'pc', 'n', 'l', 'd', 's', 'sn', 'bn', 'ba', 'cn')
  if not state[1] then return false end
  now = tonumber(ARGV[1])
  if now == 0 then
    local t = call('TIME')
    now = t[1] * 1000 + floor(t[2] / 1000)
  end
  now = max(now, tonumber(state[2] or 0))
  paused = state[3] == '1'
  token = max(tonumber(state[4] or 0), now * 1000)
  waiting = tonumber(state[5] or 0)
  crawl_delay, crawl_concurrency = tonumber(state[6]), tonumber(state[7])
  return true
end

-- count adds to the counters in m: pairs of field and number.
local function count(...)
  local n = {...}
  for i = 1, #n, 2 do
    if n[i + 1] ~= 0 then call('HINCRBY', M, n[i], n[i + 1]) end
  end
end

-- notify wakes those who wait longer than until at, if there are any: the next due task is due at that time.
local function notify(at)
  if at >= waiting then return end
  waiting = at > now and at or 0
  if waiting > 0 then call('HSET', M, 'w', at) else call('HDEL', M, 'w') end
  local crawl, part = string.match(P, '^(.*):(%x+)}:$')
  call('PUBLISH', crawl .. '}:wake', part .. ' ' .. format('%.0f', at))
end
