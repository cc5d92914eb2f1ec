#!lua flags=allow-oom
-- plan: look for a task that waits for a revisit, a bounded part of the way a call.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] host
-- ARGV[3] fingerprint, 8 bytes
-- ARGV[4] minute to go on with; empty = from the beginning
-- ARGV[5] entries of it that were looked at, from its end
-- ARGV[6] entries to look at in one call, at most
-- returns {minute, level, plan without its head, plan}, {minute, entries} to go on with, or {} if there is none
--@ hosts
--@ calendar
if not open() then return NOCRAWL end
local host, fp, at, off, budget = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local CHUNK = 50
for _, minute in ipairs(planned_in(fp)) do
  if minute > at then at, off = minute, 0 end
  while at == minute do
    local list = call('LRANGE', P .. 'w:' .. minute, -off - CHUNK, -off - 1)
    for i = #list, 1, -1 do
      local level, h, rest = read_plan(list[i])
      if h == host and sub(rest, 1, 8) == fp then return {minute, level, rest, list[i]} end
    end
    if #list < CHUNK then break end
    off, budget = off + CHUNK, budget - CHUNK
    if budget <= 0 then return {minute, off} end
  end
end
return {}
