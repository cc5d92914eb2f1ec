#!lua flags=allow-oom
-- letters: take letters off their list, one bounded part of it a call, the oldest first. Those that are replayed enter
-- their queues in the same step.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] x = dead letters, g = dead links
-- ARGV[3] 1 = replay, 0 = forget
-- ARGV[4] index of the first to look at
-- ARGV[5] how many had made room when that index was told
-- ARGV[6] leave those that were given up later, ms; 0 = now
-- ARGV[7] host; empty = any
-- ARGV[8] status; empty = any
-- ARGV[9] part of the reason; empty = any
-- ARGV[10] given up at or after, ms; empty = any time
-- ARGV[11] given up before, ms; empty = any time
-- returns {1 if the end is reached, index of the next to look at, how many have made room, ARGV[6] for the next call,
--          number of letters taken, the ms from which there may be work because of them (-1: none)}
--@ hosts
--@ tasks
if not open() then return NOCRAWL end
local CHUNK, STEPS = 50, 10
local kind, key, replay = ARGV[2], P .. ARGV[2], ARGV[3] == '1'
local trimmed = tonumber(call('HGET', M, kind .. 't') or 0)
local first = max(0, ARGV[4] - (trimmed - ARGV[5]))
local latest = tonumber(ARGV[6])
if latest == 0 then latest = now end
local host, status, why, after, before = ARGV[7], tonumber(ARGV[8]), ARGV[9], tonumber(ARGV[10]), tonumber(ARGV[11])

local function meant(l)
  return l.at <= latest and (host == '' or l.host == host) and (not status or l.status == status) and find(l.why, why, 1, true)
    and (not after or l.at >= after) and (not before or l.at < before)
end

local taken, ended, steps = {}, 0, 0
while ended == 0 and steps < STEPS do
  steps = steps + 1
  local list, marked = call('LRANGE', key, first, first + CHUNK - 1), 0
  for i = 1, #list do
    local l = read_letter(list[i])
    if meant(l) then
      taken[#taken + 1] = l
      call('LSET', key, first + i - 1, '')
      marked = marked + 1
    end
  end
  if marked > 0 then call('LREM', key, marked, '') end
  first = first + #list - marked
  if #list < CHUNK then ended = 1 end
end

local due = NEVER
if replay and #taken > 0 then
  local hosts = group(taken)
  for i = 1, #taken do enqueue(taken[i].s, taken[i].level, '\0\0' .. taken[i].task) end
  due = save(hosts)
  count('p', #taken, 'a', #taken)
end
count(kind, -#taken)
notify(due)
return {ended, first, trimmed, latest, #taken, due == NEVER and -1 or due}
