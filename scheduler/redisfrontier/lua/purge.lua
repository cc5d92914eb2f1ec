#!lua flags=allow-oom
-- purge: let a crawl be gone at once; its partitions are noted for sweeping.
-- KEYS[1] ctl  hash
-- KEYS[2] gc  hash  epoch of a purged crawl -> partitions still to be swept
-- KEYS[3] badseeds  list
-- KEYS[4] seedlock  string
-- KEYS[5] donelock  string
-- ARGV[1] epoch
-- returns 1 if it was done, 0 if the crawl is gone already
local ctl, gc = KEYS[1], KEYS[2]
local crawl = redis.call('HMGET', ctl, 'epoch', 'partitions')
if crawl[1] ~= ARGV[1] then return 0 end
redis.call('HSET', gc, crawl[1], crawl[2])
redis.call('DEL', ctl)
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5])
return 1
