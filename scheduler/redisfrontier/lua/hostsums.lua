#!lua flags=allow-oom
-- hostsums: the sums of a host, or a page of those of all hosts.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] cursor of the page; 0 = the beginning; empty = those of a host
-- ARGV[3] the host; empty = the partition
-- returns {cursor of the next page (0: there is none), then per host: host, its sums, 8 bytes each}
if not open() then return NOCRAWL end
if ARGV[2] == '' then
  local packed = call('HGET', P .. 'hs', ARGV[3])
  if not packed then return {'0'} end
  return {'0', ARGV[3], packed}
end
local page = call('HSCAN', P .. 'hs', ARGV[2], 'COUNT', 200)
local out = {page[1]}
for i = 1, #page[2], 2 do
  if page[2][i] ~= '' then out[#out + 1], out[#out + 2] = page[2][i], page[2][i + 1] end
end
return out
