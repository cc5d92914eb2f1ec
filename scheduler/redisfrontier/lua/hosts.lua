-- hosts: the records of hosts, and the two sets that say which of them can be served.
-- h  hash  host -> next_at, inflight, pending, delay, concurrency, levels (packed)
-- r  zset  hosts that may be served later -> next_at
-- y  zset  hosts that may be served now -> due + level * HOUR: one level outweighs an hour of waiting
-- i  zset  hosts without tasks, remembered until next_at -> next_at
-- A host with pending > 0 and inflight < concurrency stands in exactly one of r and y, any other in neither.
local HOUR = 3600000
local CRAWLS_DELAY, CRAWLS_CONCURRENCY = 4294967295, 65535 -- the crawl's own pace, whatever it is now
local H, R, Y, I = P .. 'h', P .. 'r', P .. 'y', P .. 'i'

local function delay(s) return s.delay == CRAWLS_DELAY and crawl_delay or s.delay end
local function concurrency(s) return s.concurrency == CRAWLS_CONCURRENCY and crawl_concurrency or s.concurrency end
local function servable(s) return s.pending > 0 and s.inflight < concurrency(s) end
local function rank(level) return tonumber(level, 16) * HOUR end
local function queue(host, level) return P .. 'q:' .. level .. ':' .. host end

-- load returns the records of the hosts named, in order.
local function load(names)
  local raw, out = call('HMGET', H, unpack(names)), {}
  for i = 1, #names do
    local known, at, inflight, pending, own_delay, own_concurrency = raw[i], 0, 0, 0, CRAWLS_DELAY, CRAWLS_CONCURRENCY
    if known then at, inflight, pending, own_delay, own_concurrency = struct.unpack('>dIIIH', known) end
    -- Tables that grow field by field cost twice.
    local s = {name = names[i], known = known and true, next = at, inflight = inflight, pending = pending, delay = own_delay,
      concurrency = own_concurrency, levels = known and sub(known, 23) or '', was = false}
    s.was = {servable = servable(s), busy = pending + inflight > 0, next = at, best = sub(s.levels, 1, 1)}
    out[i] = s
  end
  return out
end

-- add_level records that the host has tasks of the level.
local function add_level(s, level)
  if find(s.levels, level, 1, true) then return end
  local i = 1
  while i <= #s.levels and sub(s.levels, i, i) < level do i = i + 1 end
  s.levels = sub(s.levels, 1, i - 1) .. level .. sub(s.levels, i)
end

local function add(list, a, b)
  list[#list + 1] = a
  list[#list + 1] = b
end

-- each_chunk calls a command with at most 1000 arguments at a time: Lua cannot unpack any number.
local function each_chunk(command, key, list)
  for i = 1, #list, 1000 do call(command, key, unpack(list, i, min(i + 999, #list))) end
end

-- write stores the records. Hosts that have no task, no hold and no pace of their own are forgotten.
local function write(hosts)
  local set, del, idle, busy = {}, {}, {}, 0
  for i = 1, #hosts do
    local s = hosts[i]
    local is_busy = s.pending + s.inflight > 0
    busy = busy + (is_busy and 1 or 0) - (s.was.busy and 1 or 0)
    local plain = s.delay == CRAWLS_DELAY and s.concurrency == CRAWLS_CONCURRENCY
    if not is_busy and plain and s.next <= now then
      if s.known then del[#del + 1] = s.name end
    else
      add(set, s.name, struct.pack('>dIIIH', s.next, s.inflight, s.pending, s.delay, s.concurrency) .. s.levels)
      if not is_busy and plain then add(idle, s.next, s.name) end
    end
  end
  each_chunk('HSET', H, set)
  each_chunk('HDEL', H, del)
  each_chunk('ZADD', I, idle)
  count('b', busy)
end

-- save places the hosts in r or y, stores them, and wakes those who wait for one.
local function save(hosts)
  local to_r, to_y, off_r, off_y, ready = {}, {}, {}, {}, NEVER
  for i = 1, #hosts do
    local s = hosts[i]
    local best = sub(s.levels, 1, 1)
    if not servable(s) then
      if s.was.servable then
        off_r[#off_r + 1] = s.name
        off_y[#off_y + 1] = s.name
      end
    elseif s.next > now then
      if not s.was.servable or s.next ~= s.was.next then
        add(to_r, s.next, s.name)
        if s.was.servable then off_y[#off_y + 1] = s.name end
        ready = min(ready, s.next)
      end
    elseif not s.was.servable then
      add(to_y, now + rank(best), s.name)
      ready = 0
    elseif best ~= s.was.best then
      -- Due already. If it still stands in r, the next claim ranks it.
      local score = call('ZSCORE', Y, s.name)
      if score then add(to_y, score - rank(s.was.best) + rank(best), s.name) end
    end
  end
  each_chunk('ZREM', R, off_r)
  each_chunk('ZREM', Y, off_y)
  each_chunk('ZADD', R, to_r)
  each_chunk('ZADD', Y, to_y)
  write(hosts)
  return ready
end
