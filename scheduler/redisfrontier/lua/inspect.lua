#!lua flags=allow-oom
-- inspect: look for a task, a bounded part of the way a call.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] host
-- ARGV[3] fingerprint, in the form of the crawl's kind of filter: the first of SEEN_ARGS
-- ARGV[4] fingerprint, 8 bytes
-- ARGV[5] where to look: 1 queues, 2 leases, 3 delayed, 4 calendar, 5 parked, 6 dead letters, 7 dead links
-- ARGV[6] the level, cursor, minute or label to go on with; empty = from the beginning
-- ARGV[7] entries of that list that were looked at, from its end
-- ARGV[8] entries to look at in one call, about
-- returns {'', ARGV[5], ARGV[6], ARGV[7] of the next call}, or {place, now, next, inflight, pending, delay, concurrency,
--          1 if the pace is the host's own; of a task that is found: level, element, and of
--          queued: tasks before it; leased: token, claimed, deadline, worker; delayed and scheduled: due; parked: label;
--          dead and gone, instead of level and element: the letter}
--@ hosts
--@ tasks
--@ leases
--@ calendar
--@ seen
if not open() then return NOCRAWL end
local host, fp, raw = ARGV[2], ARGV[3], ARGV[4]
local stage, at, off, budget = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local CHUNK, MAXBYTES = 50, 1024 * 1024
local s = load({host})[1]

local function answer(place, ...)
  local own = (s.delay ~= CRAWLS_DELAY or s.concurrency ~= CRAWLS_CONCURRENCY) and 1 or 0
  return {place, now, s.next, s.inflight, s.pending, delay(s), concurrency(s), own, ...}
end

local function is(element)
  local from = body(element)
  return sub(element, from, from + 7) == raw
end
local function is_record(r)
  local _, h, element = read_record(r)
  return h == host and is(element)
end
local function is_plan(r)
  if not find(r, raw, 5, true) then return false end
  local _, h, rest = read_plan(r)
  return h == host and sub(rest, 1, 8) == raw
end
local function is_letter(r)
  local l = read_letter(r)
  return l.host == host and sub(l.task, 1, 8) == raw
end

-- scan looks through a list from its end, where nothing moves when the head is popped. It returns what it found and its
-- place from the end, and whether it got to the head. To find the middle of a long list takes Redis its time, so after
-- a few entries it reads as many as are allowed at once, unless they are large.
local function scan(key, found)
  local chunk = CHUNK
  while budget > 0 do
    local list, bytes = call('LRANGE', key, -off - chunk, -off - 1), 1
    for i = #list, 1, -1 do
      if found(list[i]) then return list[i], off + #list - i + 1 end
      bytes = bytes + #list[i]
    end
    off, budget = off + #list, budget - #list - 1
    if #list < chunk then return nil, nil, true end
    chunk = max(CHUNK, min(budget, floor(MAXBYTES * #list / bytes)))
  end
end

-- each_list scans lists that are in order, beginning with the one at. It returns what it found, its place, the list it
-- is in, and whether all were seen.
local function each_list(names, prefix, found)
  for _, name in ipairs(names) do
    if name >= at then
      if name ~= at then at, off = name, 0 end
      local hit, place, ended = scan(prefix(name), found)
      if hit then return hit, place, name end
      if not ended then return nil end
    end
  end
  return nil, nil, nil, true
end

-- each_page looks at the pages of a cursor's command; look returns an answer or nil.
local function each_page(command, key, look)
  if at == '' then at = '0' end
  while budget > 0 do
    local page = call(command, key, at, 'COUNT', 100)
    for i = 1, #page[2], 2 do
      local hit = look(page[2][i], page[2][i + 1])
      if hit then return hit end
    end
    at, budget = page[1], budget - #page[2] / 2 - 1
    if at == '0' then return nil, true end
  end
end

local stages = {
  function() -- queues
    local levels = {}
    for level in string.gmatch(s.levels, '.') do levels[#levels + 1] = level end
    local element, place, level, ended = each_list(levels, function(l) return queue(host, l) end, is)
    if not element then return nil, ended end
    local before = call('LLEN', queue(host, level)) - place
    for _, l in ipairs(levels) do
      if l < level then before = before + call('LLEN', queue(host, l)) end
    end
    return answer('queued', level, element, before)
  end,
  function() -- leases
    return each_page('HSCAN', T, function(id, value)
      local l = read_task(read_lease(id, value))
      if l.host == host and is(l.element) then
        return answer('leased', l.level, l.element, id, l.claimed, l.deadline, l.worker)
      end
    end)
  end,
  function() -- delayed
    return each_page('ZSCAN', P .. 'd', function(member, due)
      local level, h, element = read_record(sub(member, 9))
      if h == host and is(element) then return answer('delayed', level, element, tonumber(due)) end
    end)
  end,
  function() -- calendar
    local slot, first, length
    local r, _, _, ended = each_list(planned_in(raw), function(minute)
      slot, first, length = slot_of(tonumber(minute))
      return P .. 'w:' .. (slot or '')
    end, is_plan)
    if not r then
      if not ended and (length or 1) > 1 then off = 0 end -- it may be dealt meanwhile; a call has room for all of it
      return nil, ended
    end
    local level, _, rest = read_plan(r)
    return answer('scheduled', level, '\0\0' .. rest, minute_of(r, first) * 60000)
  end,
  function() -- parked
    local labels = call('HKEYS', P .. 'kl')
    table.sort(labels)
    local r, _, label, ended = each_list(labels, function(l) return P .. 'k:' .. l end, is_record)
    if not r then return nil, ended end
    local level, _, element = read_record(r)
    return answer('parked', level, element, label)
  end,
  function()
    local r, _, ended = scan(P .. 'x', is_letter)
    return r and answer('dead', r), ended
  end,
  function()
    local r, _, ended = scan(P .. 'g', is_letter)
    return r and answer('gone', r), ended
  end,
}

if stage == 1 and at == '' then
  seen_open(state[8] or 0, state[12], state[13], state[14])
  if seen_has(fp) == 0 then return answer('unseen') end
end
while budget > 0 do
  local hit, ended = stages[stage]()
  if hit then return hit end
  if ended then
    stage, at, off, budget = stage + 1, '', 0, budget - 1
    if stage > #stages then return answer('done') end
  end
end
return {'', stage, at, off}
