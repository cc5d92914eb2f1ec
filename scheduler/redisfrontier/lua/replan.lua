#!lua flags=allow-oom
-- replan: put other plans in the place of some, each if that still stands.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2..] per plan: its minute, plan, host, when the task is to be due (ms; one that has passed is due at once), payload of the
--           task, sums to be added (8 bytes each)
-- returns {a string with 1 for each that stood and 0 for each other, the ms from which there may be work because of them (-1:
--          none), 1 if the partition has no work left}
--@ hosts
--@ calendar
--@ sums
if not open() then return NOCRAWL end
local effects, replaced, due = {}, 0, NEVER
for i = 2, #ARGV, 6 do
  local minute, old, host, at, payload, more = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5]
  local slot = slot_of(minute)
  local stood = slot and call('LREM', P .. 'w:' .. slot, 1, old) == 1
  effects[#effects + 1] = stood and 1 or 0
  if stood then
    local level, _, rest = read_plan(old)
    tidy(slot)
    unindex(rest, minute)
    local to = at > now and math.ceil(at / 60000) or floor(now / 60000)
    plan(to, level, host, sub(rest, 1, 8) .. payload)
    if #more > 0 then tally(host, more, 1) end
    replaced, due = replaced + 1, min(due, to * 60000)
  end
end
if replaced == 0 then return {table.concat(effects), -1, 0} end
save_sums()
count('a', replaced) -- whoever asks whether the crawl is done sees that the calendar has changed
call('HSET', M, 't', now)
notify(due)
local c = call('HMGET', M, 'p', 'l', 'd')
local work = tonumber(c[1] or 0) + tonumber(c[2] or 0) + tonumber(c[3] or 0)
return {table.concat(effects), due, work == 0 and 1 or 0}
