#!lua flags=allow-oom
-- taken: remove seeds, whatever they are kept in.
-- KEYS[1] seeds  list, set or zset
-- ARGV[1..] seeds
-- returns how many were removed
local seeds, n = KEYS[1], 0
local kind = redis.call('TYPE', seeds).ok
for i = 1, #ARGV do
  if kind == 'list' then
    n = n + redis.call('LREM', seeds, 1, ARGV[i])
  elseif kind == 'set' then
    n = n + redis.call('SREM', seeds, ARGV[i])
  elseif kind == 'zset' then
    n = n + redis.call('ZREM', seeds, ARGV[i])
  end
end
return n
