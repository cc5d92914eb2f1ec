#!lua
-- create: create a filter, or tell what it was created with.
-- KEYS[1] m  hash
-- KEYS[2] bp string
-- ARGV[1] what the filter is
-- ARGV[2] layers, for bp; empty: none
-- ARGV[3] sets of integers that it begins with
-- ARGV[4] version of what the keys hold
-- returns {what the filter is, its version}
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'fs', ARGV[1], 'n', 0, 'sn', ARGV[3], 'fv', ARGV[4], 'bn', 1, 'ba', 0)
  if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2]) end
end
return redis.call('HMGET', KEYS[1], 'fs', 'fv')
