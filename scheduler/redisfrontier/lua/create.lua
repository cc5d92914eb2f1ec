#!lua
-- create: create a crawl, or tell what it was created with.
-- KEYS[1] ctl  hash
-- ARGV[1] version of the schema
-- ARGV[2] epoch
-- ARGV[3] created, ms
-- ARGV[4] partitions
-- ARGV[5] delay, ms
-- ARGV[6] concurrency
-- ARGV[7] settings, JSON
-- ARGV[8] filter
-- returns the fields and values of ctl
local ctl = KEYS[1]
if redis.call('EXISTS', ctl) == 0 then
  redis.call('HSET', ctl, 'schema', ARGV[1], 'epoch', ARGV[2], 'created', ARGV[3], 'partitions', ARGV[4],
    'delay', ARGV[5], 'concurrency', ARGV[6], 'settings', ARGV[7], 'filter', ARGV[8], 'state', 'creating')
end
return redis.call('HGETALL', ctl)
