#!lua
-- reject: keep a seed that cannot be read, the newest 10000 of them.
-- KEYS[1] badseeds  list
-- KEYS[2] ctl  hash
-- ARGV[1] epoch
-- ARGV[2] what is kept, JSON
-- returns 1
local badseeds, ctl = KEYS[1], KEYS[2]
if redis.call('HGET', ctl, 'epoch') ~= ARGV[1] then
  return {err = 'NOCRAWL the crawl does not exist (any more)'}
end
redis.call('RPUSH', badseeds, ARGV[2])
redis.call('LTRIM', badseeds, -10000, -1)
return 1
