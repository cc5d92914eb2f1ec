#!lua flags=allow-oom
-- purgehost: remove the tasks of a host, a bounded part of the way a call. The host is held meanwhile, so nothing of it is
-- claimed, and its queues come last: whatever moves on the way ends up there.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] host
-- ARGV[3] where to go on: 1 begin, 2 leases, 3 delayed, 4 calendar, 5 parked, 6 queues
-- ARGV[4] the cursor, slot or label to go on with; empty = from the beginning
-- ARGV[5] entries of that list still to be looked at; -1 = all
-- ARGV[6] next_at of the host before it was held
-- ARGV[7] next_at of the host as it is held
-- ARGV[8] the latest deadline among the leases removed
-- ARGV[9] entries to look at in one call, about
-- returns {ARGV[3] to ARGV[8] of the next call (ARGV[3] 0: all is done), number of tasks removed,
--          1 if the partition has no work left}
--@ hosts
--@ tasks
--@ leases
--@ calendar
--@ sums
if not open() then return NOCRAWL end
local host, stage, at, left = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local before, held, deadline, budget = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local HOLD = 300000 -- ms: longer than it takes; if nobody goes on, the host does after that
local CHUNK = 50
local s = load({host})[1]
local removed = 0

-- each_page collects what look says of the entries on the pages of a cursor's command. It returns the list, and whether
-- that was the last page.
local function each_page(command, key, look)
  local list = {}
  if at == '' then at = '0' end
  while budget > 0 do
    local page = call(command, key, at, 'COUNT', 100)
    for i = 1, #page[2], 2 do
      if look(page[2][i + 1], page[2][i]) then list[#list + 1] = page[2][i] end
    end
    at, budget = page[1], budget - #page[2] / 2 - 1
    if at == '0' then return list, true end
  end
  return list, false
end

-- turn lets the entries of a list pass by, and returns how many were the host's and are gone, and whether all did. read takes
-- one apart; lost is told of the rest of each that is gone, and of all of it, if it is given.
local function turn(key, read, lost)
  local gone = 0
  if left < 0 then left = call('LLEN', key) end
  while budget > 0 and left > 0 do
    local list, kept = call('LPOP', key, min(CHUNK, left)) or {}, {}
    for i = 1, #list do
      local _, h, rest = read(list[i])
      if h ~= host then
        kept[#kept + 1] = list[i]
      elseif lost then
        lost(rest, list[i])
      end
    end
    each_chunk('RPUSH', key, kept)
    gone, left, budget = gone + #list - #kept, #list == 0 and 0 or left - #list, budget - #list
  end
  budget = budget - 1
  return gone, left == 0
end

local stages = {
  function()
    before = s.next
    held = max(s.next, now + HOLD)
    s.next = held
    save({s})
    return true
  end,
  function() -- leases
    local leases, listed = {}, {} -- a scan may show one twice
    local _, ended = each_page('HSCAN', T, function(value, token)
      local l = read_lease(token, value)
      if l.host ~= host or listed[token] then return end
      listed[token] = true
      leases[#leases + 1] = l
      deadline = max(deadline, l.deadline)
    end)
    end_leases(leases)
    removed = #leases
    s.inflight = s.inflight - removed
    count('l', -removed)
    save({s})
    return ended
  end,
  function() -- delayed
    local members, ended = each_page('ZSCAN', P .. 'd', function(_, member)
      local _, h = read_record(sub(member, 9))
      return h == host
    end)
    for _, member in ipairs(members) do removed = removed + call('ZREM', P .. 'd', member) end
    count('d', -removed)
    return ended
  end,
  function() -- calendar
    local from = at == '' and '-inf' or format('%.0f', read_slot(at) * 60000)
    while budget > 0 do
      local slot = call('ZRANGEBYSCORE', WI, from, '+inf', 'LIMIT', 0, 1)[1]
      if not slot then return true end
      if slot ~= at then at, left = slot, -1 end -- one that was dealt meanwhile counts for another
      local first = read_slot(slot)
      local gone, ended = turn(P .. 'w:' .. slot, read_plan, function(rest, r) unindex(rest, minute_of(r, first)) end)
      tidy(slot)
      removed = removed + gone
      count('s', -gone)
      if not ended then return false end
      from = '(' .. format('%.0f', first * 60000)
    end
    return false
  end,
  function() -- parked
    local labels = call('HKEYS', P .. 'kl')
    table.sort(labels)
    for _, label in ipairs(labels) do
      if label >= at then
        if budget <= 0 then return false end
        if label ~= at then at, left = label, -1 end
        local gone, ended = turn(P .. 'k:' .. label, read_record)
        if gone > 0 and call('HINCRBY', P .. 'kl', label, -gone) == 0 then call('HDEL', P .. 'kl', label) end
        removed = removed + gone
        count('y', -gone)
        if not ended then return false end
      end
    end
    return true
  end,
  function() -- queues
    for level in string.gmatch(s.levels, '.') do call('UNLINK', queue(host, level)) end
    removed = s.pending
    count('p', -removed)
    s.pending, s.levels = 0, ''
    s.next = max(s.next == held and before or s.next, deadline)
    save({s})
    drop_sums(host)
    return true
  end,
}

if stages[stage]() then stage, at, left = stage + 1, '', -1 end
if stage > #stages then stage = 0 end
local work = call('HMGET', M, 'p', 'l', 'd')
local empty = tonumber(work[1] or 0) + tonumber(work[2] or 0) + tonumber(work[3] or 0) == 0
return {stage, at, left, before, held, deadline, removed, empty and 1 or 0}
