#!lua flags=allow-oom
-- replan: put another plan in the place of one, if that still stands.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] minute
-- ARGV[3] plan
-- ARGV[4] host
-- ARGV[5] when the task is to be due, ms; one that has passed is due at once
-- ARGV[6] payload of the task
-- ARGV[7] sums to be added, 8 bytes each
-- returns {1 if it stood, the ms from which there may be work because of it, 1 if the partition has no work left}
--@ hosts
--@ calendar
--@ sums
if not open() then return NOCRAWL end
local minute, host, at = ARGV[2], ARGV[4], tonumber(ARGV[5])
if call('LREM', P .. 'w:' .. minute, 1, ARGV[3]) == 0 then return {0, -1, 0} end
local level, _, rest = read_plan(ARGV[3])
tidy(minute)
unindex(rest, minute)
local to = at > now and math.ceil(at / 60000) or floor(now / 60000)
plan(to, level, host, sub(rest, 1, 8) .. ARGV[6])
if #ARGV[7] > 0 then tally(host, ARGV[7], 1) end
save_sums()
count('a', 1) -- whoever asks whether the crawl is done sees that the calendar has changed
call('HSET', M, 't', now)
notify(to * 60000)
local c = call('HMGET', M, 'p', 'l', 'd')
local work = tonumber(c[1] or 0) + tonumber(c[2] or 0) + tonumber(c[3] or 0)
return {1, to * 60000, work == 0 and 1 or 0}
