#!lua flags=allow-oom
-- amend: change fields of a crawl's control hash, unless the crawl is gone or another of its name took its place.
-- KEYS[1] ctl  hash
-- ARGV[1] epoch
-- ARGV[2..] field, value
-- returns 1 if it was done
local ctl = KEYS[1]
if redis.call('HGET', ctl, 'epoch') ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do redis.call('HSET', ctl, ARGV[i], ARGV[i + 1]) end
return 1
