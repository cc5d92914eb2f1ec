#!lua flags=allow-oom
-- claim: lease up to so many due tasks, best first: those of the host whose due time less an hour for each
-- level of priority is earliest.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] number of tasks wanted, at most 1000; 0 only asks when there will be some
-- ARGV[3] lease time, ms
-- ARGV[4] how often a lease of a task may expire; once more, and it is a dead letter
-- ARGV[5] worker who claims
-- ARGV[6] 1 if the worker will wait when there is nothing, and wants to be told when there is
-- returns {now, the ms from which there may be more (-1: not before it is told), the first token (the others follow it one by
--          one), then per queue: host, level, {element, ...}}
--@ hosts
--@ tasks
--@ leases
--@ calendar
if not open() then return NOCRAWL end
if paused then return {now, -1, 0} end
local wanted, lease_time, may_expire, worker = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local D = P .. 'd'
local CHORES = 100 -- of each kind in one call, so that no call takes long
local MAXBYTES = 8 * 1024 * 1024
local more = false

-- look_over adds the leases of a claim that are over to the list, as far as it has room, and notes when to look at the
-- others. It returns how many tokens it tried.
local function look_over(claim, list)
  local held, tried, again = tonumber(call('HGET', LC, claim) or 1), 0, NEVER
  claim = tonumber(claim)
  while held > 0 and tried < 1000 do -- a claim has no more
    local tokens = {}
    for i = 1, max(10, held) do tokens[i] = format('%d', claim + tried + i - 1) end
    local raw = call('HMGET', T, unpack(tokens))
    for i = 1, #tokens do
      local l = raw[i] and read_lease(tokens[i], raw[i])
      if l and l.claim == claim then
        if l.deadline <= now and #list < CHORES then list[#list + 1] = l else again = min(again, l.deadline) end
        held = held - 1
      end
    end
    tried = tried + #tokens
  end
  if again < NEVER then call('ZADD', L, again, format('%d', claim)) end
  return tried
end

local function expire()
  local claims, leases, tried = call('ZRANGEBYSCORE', L, '-inf', now, 'LIMIT', 0, CHORES), {}, 0
  if #claims == 0 then return end
  for i = 1, #claims do
    if #leases < CHORES and tried < 10 * CHORES then tried = tried + look_over(claims[i], leases) end
  end
  more = more or #claims == CHORES or #leases == CHORES or tried >= 10 * CHORES
  if #leases == 0 then return end
  local hosts, back, dead = group(leases), 0, 0
  for i = #leases, 1, -1 do -- the oldest in front
    local l = read_task(leases[i])
    local attempts, before = byte(l.element, 1, 2)
    l.element = stamp(l.element, attempts, before + 1)
    l.s.inflight = l.s.inflight - 1
    if before + 1 > may_expire then
      bury('x', l, 'lease expired ' .. (before + 1) .. ' times, last held by ' .. l.worker, 0)
      dead = dead + 1
    else
      enqueue(l.s, l.level, l.element, true)
      back = back + 1
    end
  end
  end_leases(leases)
  save(hosts)
  count('e', #leases, 'l', -#leases, 'p', back, 'a', back, 'x', dead)
end

local function promote(entries, counter)
  local hosts = group(entries)
  for i = 1, #entries do enqueue(entries[i].s, entries[i].level, entries[i].element) end
  save(hosts)
  count(counter, -#entries, 'p', #entries, 'a', #entries)
end

local function undelay()
  local list = call('ZRANGEBYSCORE', D, '-inf', now, 'LIMIT', 0, CHORES)
  if #list == 0 then return end
  more = more or #list == CHORES
  local entries = {}
  for i = 1, #list do
    local e = {}
    e.level, e.host, e.element = read_record(sub(list[i], 9))
    entries[i] = e
  end
  promote(entries, 'd')
  call('ZREM', D, unpack(list))
end

local function revisit()
  local entries = {}
  while #entries < CHORES do
    local slot = call('ZRANGEBYSCORE', WI, '-inf', now, 'LIMIT', 0, 1)[1]
    if not slot then break end
    local first, length = read_slot(slot)
    if (first + length - 1) * 60000 > now then -- no more than three in one call, for it gets shorter
      deal(slot, first, max(1, length / 16))
    else
      for _, r in ipairs(call('LPOP', P .. 'w:' .. slot, CHORES) or {}) do
        local e = {}
        e.level, e.host, e.element = read_plan(r)
        unindex(e.element, minute_of(r, first))
        e.element = '\0\0' .. e.element
        entries[#entries + 1] = e
      end
      tidy(slot)
    end
  end
  if #entries == 0 then return end
  more = more or #entries >= CHORES
  promote(entries, 's')
end

-- forget drops the records of hosts that were kept for their delay alone.
local function forget()
  local names = call('ZRANGEBYSCORE', I, '-inf', now, 'LIMIT', 0, CHORES)
  if #names == 0 then return end
  write(load(names))
  call('ZREM', I, unpack(names))
end

if tonumber(state[9] or 0) > 0 then expire() end
if tonumber(state[10] or 0) > 0 then undelay() end
if tonumber(state[11] or 0) > 0 then revisit() end
forget()

-- Candidates stand in line by score, then name: those of r that have become due, ranked, and the best of y. The latter are
-- read piece by piece, since a few hosts may have all that is wanted; behind y_end more of them may belong.
local line, first, y_read, y_end = {}, 1, 0, wanted > 0 and -NEVER or NEVER
local function is_before(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.name < b.name
end

local moved = call('ZRANGEBYSCORE', R, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 250)
if #moved > 0 then
  local names = {}
  for i = 1, #moved, 2 do names[#names + 1] = moved[i] end
  line = load(names)
  for i = 1, #line do
    local s = line[i]
    s.in_r, s.score = true, moved[2 * i] + rank(sub(s.levels, 1, 1))
  end
  table.sort(line, is_before)
end

local function read_y()
  local n, names = max(min(8, wanted), floor(wanted / 4)), {}
  local list = call('ZRANGE', Y, y_read, y_read + n - 1, 'WITHSCORES')
  y_read = y_read + n
  y_end = #list == 2 * n and tonumber(list[#list]) or NEVER
  if #list == 0 then return end
  for i = 1, #list, 2 do names[#names + 1] = list[i] end
  local hosts = load(names)
  for i = 1, #hosts do
    local s, at = hosts[i], #line + 1
    s.in_y, s.score = true, tonumber(list[2 * i])
    s.y_score = s.score
    while at > first and is_before(s, line[at - 1]) do at = at - 1 end
    table.insert(line, at, s)
  end
end

-- Serve the first of the line from its best queue; then it stands in line again where it now belongs.
local claim, deadline, got, bytes = token + 1, now + lease_time, 0, 0
local out = {now, 0, claim}
local served, leases, to_r, to_y, off_r, off_y = {}, {}, {}, {}, {}, {}
local function settle(s, where)
  if s.in_r and where ~= 'r' then off_r[#off_r + 1] = s.name end
  if s.in_y and where ~= 'y' then off_y[#off_y + 1] = s.name end
  if where == 'r' then add(to_r, s.next, s.name) end
  if where == 'y' and s.score ~= s.y_score then add(to_y, s.score, s.name) end
end
while got < wanted and bytes < MAXBYTES do
  local s = line[first]
  while y_end < NEVER and (not s or (s.in_r or s.served) and s.score >= y_end) do
    read_y()
    s = line[first]
  end
  if not s then break end
  first = first + 1
  local level = sub(s.levels, 1, 1)
  local room = min(concurrency(s) - s.inflight, wanted - got, 32)
  if delay(s) > 0 then room = min(room, 1) end
  local list = room > 0 and call('LPOP', queue(s.name, level), room) or {}
  if #list > 0 then
    local head, n = lease_head(deadline, claim, level, s.name, worker), #out
    out[n + 1], out[n + 2], out[n + 3] = s.name, level, list
    for i = 1, #list do
      add(leases, format('%d', token + i), head .. list[i])
      bytes = bytes + #list[i]
    end
    got, token = got + #list, token + #list
  end
  s.inflight, s.pending = s.inflight + #list, s.pending - #list
  if s.pending == 0 or #list < room or #s.levels > 1 and call('EXISTS', queue(s.name, level)) == 0 then
    s.levels = sub(s.levels, 2)
  end
  s.next = max(s.next, now + delay(s))
  if not s.served then
    s.served = true
    served[#served + 1] = s
  end
  if not servable(s) then
    settle(s, nil)
  elseif s.next > now then
    settle(s, 'r')
  else
    s.score = now + rank(sub(s.levels, 1, 1))
    local at = first
    while at <= #line and line[at].score <= s.score do at = at + 1 end
    table.insert(line, at, s)
  end
end
for i = first, #line do settle(line[i], 'y') end
each_chunk('ZREM', R, off_r)
each_chunk('ZREM', Y, off_y)
each_chunk('ZADD', R, to_r)
each_chunk('ZADD', Y, to_y)

if got > 0 then
  each_chunk('HSET', T, leases)
  if got > 1 then call('HSET', LC, format('%d', claim), got) end
  call('ZADD', L, deadline, format('%d', claim))
  write(served)
  call('HSET', M, 'q', token, 't', now)
  count('p', -got, 'l', got)
end
if got > 0 and got == wanted then return out end
if more or call('EXISTS', Y) == 1 then
  out[2] = now
  return out
end
local wake = NEVER
for _, key in ipairs({R, L, D, WI}) do
  local z = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if z[2] then wake = min(wake, tonumber(z[2])) end
end
out[2] = max(wake, now)
if ARGV[6] == '1' and out[2] ~= waiting then call('HSET', M, 'w', out[2]) end
return out
