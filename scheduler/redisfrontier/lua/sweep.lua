#!lua flags=allow-oom
-- sweep: delete a partition of a purged crawl, one bounded step a call.
-- ARGV[1] now  ms; not used
-- ARGV[2] keys to delete in one step, about
-- returns 1 if nothing is left, 0 if there is more to do
--@ hosts
--@ sweepseen
local dying = call('HMGET', M, 'v', 'bn', 'gh')
if not dying[2] then -- no partition, or all is gone
  call('DEL', M)
  return 1
end
-- Without its version the partition does not exist for any other script; m itself goes last.
if dying[1] then call('HDEL', M, 'v') end
local budget = tonumber(ARGV[2])

-- The queues of the hosts, by a cursor over h, which nobody changes any more.
if dying[3] ~= 'end' then
  local page = call('HSCAN', H, dying[3] or '0', 'COUNT', budget)
  local keys = {}
  for i = 1, #page[2], 2 do
    for level in string.gmatch(sub(page[2][i + 1], 23), '.') do keys[#keys + 1] = queue(page[2][i], level) end
  end
  for i = 1, #keys, 1000 do call('UNLINK', unpack(keys, i, min(i + 999, #keys))) end
  call('HSET', M, 'gh', page[1] == '0' and 'end' or page[1])
  return 0
end

-- What the filter keeps.
if seen_sweep(budget) then return 0 end

-- The calendar, its index, the links, then the parked, some of each.
local slots = call('ZRANGE', P .. 'wi', 0, budget - 1)
for i = 1, #slots do call('UNLINK', P .. 'w:' .. slots[i]) end
each_chunk('ZREM', P .. 'wi', slots)
if #slots > 0 then return 0 end
local buckets = tonumber(call('HGET', M, 'wb') or 1)
local first = max(0, buckets - budget)
for i = first, buckets - 1 do call('UNLINK', P .. 'wx:' .. i) end
if first > 0 then
  call('HSET', M, 'wb', first)
  return 0
end
local linked = tonumber(call('HGET', M, 'lb') or 1)
first = max(0, linked - budget)
for i = first, linked - 1 do call('UNLINK', P .. 'ln:' .. i) end
if first > 0 then
  call('HSET', M, 'lb', first)
  return 0
end
local labels = call('HKEYS', P .. 'kl')
for i = 1, #labels do call('UNLINK', P .. 'k:' .. labels[i]) end
for key in string.gmatch('kl h r y i l lc t d x g c o hs wd ce co nb nt no nn cp workers', '%S+') do call('UNLINK', P .. key) end
call('DEL', M)
return 1
