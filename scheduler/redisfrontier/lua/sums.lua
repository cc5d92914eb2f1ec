-- sums: what finished tasks add up.
-- hs  hash  host -> its sums, 8 bytes each; those of the partition stand under the empty name
local HS = P .. 'hs'
local tallies = {}

local function unpack_sums(packed, from)
  local n = floor((#packed - from + 1) / 8)
  local list = {struct.unpack('>' .. string.rep('d', n), packed, from)}
  list[n + 1] = nil -- where it stopped
  return list
end

local function pack_sums(list) return struct.pack('>' .. string.rep('d', #list), unpack(list)) end

-- tally adds what is packed from a place on to the sums of a host and of the partition. save_sums stores them.
local function tally(host, packed, from)
  local more = unpack_sums(packed, from)
  for _, name in ipairs({host, ''}) do
    local t = tallies[name] or {}
    tallies[name] = t
    for i = 1, #more do t[i] = (t[i] or 0) + more[i] end
  end
end

local function save_sums()
  if not next(tallies) then return end
  local names, list = {}, {}
  for name in pairs(tallies) do names[#names + 1] = name end
  local raw = call('HMGET', HS, unpack(names))
  for i = 1, #names do
    local t, old = tallies[names[i]], unpack_sums(raw[i] or '', 1)
    for k = 1, max(#t, #old) do t[k] = (t[k] or 0) + (old[k] or 0) end
    add(list, names[i], pack_sums(t))
  end
  each_chunk('HSET', HS, list)
end

-- drop_sums removes the sums of a host, and takes them from the partition's.
local function drop_sums(host)
  local both = call('HMGET', HS, host, '')
  if not both[1] then return end
  call('HDEL', HS, host)
  if call('HLEN', HS) <= 1 then
    call('DEL', HS)
    return
  end
  local gone, total = unpack_sums(both[1], 1), unpack_sums(both[2], 1)
  for i = 1, #gone do total[i] = total[i] - gone[i] end
  call('HSET', HS, '', pack_sums(total))
end
