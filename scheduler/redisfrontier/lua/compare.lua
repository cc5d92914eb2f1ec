#!lua
-- compare: find the original of a page, or make it one, and count it for its paths. Partition 0 has all originals.
-- ARGV[1] now    ms; 0 = the server's clock
-- ARGV[2] exact  signature of the page, 8 bytes
-- ARGV[3] sim    its simhash, 8 bytes, the highest first; empty = only pages of the same signature, that came without, are its duplicates
-- ARGV[4] id     of the page
-- ARGV[5] most   originals to keep
-- ARGV[6] parts  paths to count for, at most
-- ARGV[7] again  1 = the page was compared before: it is not counted
-- ARGV[8..] paths
-- returns {distance, signature and id of the original, count, ...}: distance is -1 if the page is one; each count is of a path, its pages,
--         exact and near duplicates
--@ near
if not open() then return NOCRAWL end
local exact, sim, id, most, parts = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local CE, CO, CP = P .. 'ce', P .. 'co', P .. 'cp'
local distance, signature, of = -1, '', ''
if sim ~= '' then
  local d, signed = near_look(P .. 'nb', P .. 'nt', P .. 'no', P .. 'nn', sim, most, exact .. id)
  if d then distance, signature, of = d, sub(signed, 1, 8), sub(signed, 9) end
else
  local known = call('HGET', CE, exact)
  if known then
    distance, signature, of = 0, exact, known
  else -- room is made for the new one, and for a few more if the limit was lowered
    for _ = 1, min(10, call('LLEN', CO) + 1 - most) do call('HDEL', CE, call('LPOP', CO)) end
    call('RPUSH', CO, exact)
    call('HSET', CE, exact, id)
  end
end

local own = of == id
if own then distance, signature, of = -1, '', '' end
local fields = {''} -- the whole crawl
for i = 8, #ARGV do fields[#fields + 1] = ARGV[i] end
local counts = call('HMGET', CP, unpack(fields))

-- make_room forgets the one of a few paths that has the fewest duplicates.
local function make_room()
  local least, fewest
  for _, path in ipairs(call('HRANDFIELD', CP, 4)) do
    local _, same, near = string.match(call('HGET', CP, path), '(%d+) (%d+) (%d+)')
    if path ~= '' and (not fewest or same + near < fewest) then least, fewest = path, same + near end
  end
  if least then call('HDEL', CP, least) end
end

local reply = {distance, signature, of}
for i = 1, #fields do
  local pages, same, near = string.match(counts[i] or '0 0 0', '(%d+) (%d+) (%d+)')
  if not own and ARGV[7] ~= '1' then
    if not counts[i] and call('HLEN', CP) > parts then make_room() end
    pages = pages + 1
    if distance >= 0 and signature == exact then same = same + 1 end
    if distance >= 0 and signature ~= exact then near = near + 1 end
    counts[i] = format('%.0f %.0f %.0f', pages, same, near)
    call('HSET', CP, fields[i], counts[i])
  end
  if i > 1 then reply[#reply + 1] = counts[i] or '0 0 0' end
end
return reply
