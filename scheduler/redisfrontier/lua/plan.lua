#!lua flags=allow-oom
-- plan: look for tasks that wait for a revisit, in a minute of many a bounded part of the way a call.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] entries of such minutes to look at in one call, about
-- ARGV[3..] per task: host, fingerprint (8 bytes), minute to go on with (empty = from the beginning), entries of it that were
--           looked at, from its end
-- returns per task: {minute, level, plan without its head, plan}, {minute, entries} to go on with, or {} if there is none
--@ hosts
--@ calendar
if not open() then return NOCRAWL end
local budget = tonumber(ARGV[2])
local CHUNK = 40
local read = {} -- slots of few plans, by name: what was read of them, from the end

-- match looks for a plan in a list, and returns it as an answer.
local function match(plans, from, first, host, fp)
  for i = from, #plans do
    local r = plans[i]
    if find(r, fp, 5, true) then
      local level, h, rest = read_plan(r)
      if h == host and sub(rest, 1, 8) == fp then return {format('%d', minute_of(r, first)), level, rest, r} end
    end
  end
end

-- chunk returns the plans that stand before so many at the end, the last of them first.
local function chunk(key, off)
  local list, plans = call('LRANGE', key, -off - CHUNK, -off - 1), {}
  for i = #list, 1, -1 do plans[#plans + 1] = list[i] end
  return plans
end

local function look(host, fp, at, off)
  for _, minute in ipairs(planned_in(fp)) do
    if minute > at then at, off = minute, 0 end
    local slot, first = slot_of(tonumber(minute))
    local key = P .. 'w:' .. (slot or '')
    if minute ~= at or not slot then
      -- It was looked through before.
    elseif read[slot] or call('LLEN', key) <= FULL then
      local plans = read[slot] or {ended = false}
      read[slot] = plans
      local found = match(plans, 1, first, host, fp)
      while not found and not plans.ended do
        local more, n = chunk(key, #plans), #plans
        for i = 1, #more do plans[n + i] = more[i] end
        plans.ended = #more < CHUNK
        found = match(plans, n + 1, first, host, fp)
      end
      if found then return found end
    else
      repeat
        if budget <= 0 then return {minute, off} end
        local plans = chunk(key, off)
        local found = match(plans, 1, first, host, fp)
        if found then return found end
        off, budget = off + CHUNK, budget - CHUNK
      until #plans < CHUNK
    end
  end
  return {}
end

local out = {}
for i = 3, #ARGV, 4 do out[#out + 1] = look(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])) end
return out
