#!lua flags=allow-oom
-- given: how many tasks the partition was ever given, and whether it has work.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns {m.a, 1 if a task is queued, leased or delayed, or a revisit is due; else 0}
--@ hosts
--@ calendar
if not open() then return NOCRAWL end
local c = call('HMGET', M, 'a', 'p', 'l', 'd', 's')
for i = 1, 5 do c[i] = tonumber(c[i] or 0) end
local active = c[2] + c[3] + c[4] > 0 or c[5] > 0 and is_due()
return {c[1], active and 1 or 0}
