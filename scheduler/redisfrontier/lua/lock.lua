#!lua flags=allow-oom
-- lock: take or renew a lock of a crawl that exists.
-- KEYS[1] lock  string  who holds it
-- KEYS[2] ctl  hash
-- ARGV[1] epoch
-- ARGV[2] who wants it
-- ARGV[3] for so many ms
-- ARGV[4] 1 = the holder may renew it
-- returns 1 if it is held now
local lock, ctl = KEYS[1], KEYS[2]
if redis.call('HGET', ctl, 'epoch') ~= ARGV[1] then
  return {err = 'NOCRAWL the crawl does not exist (any more)'}
end
local holder = redis.call('GET', lock)
if holder and (ARGV[4] ~= '1' or holder ~= ARGV[2]) then return 0 end
redis.call('SET', lock, ARGV[2], 'PX', ARGV[3])
return 1
