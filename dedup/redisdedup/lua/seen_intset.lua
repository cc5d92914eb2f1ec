-- seen (intset): fingerprints as decimal numbers in sets of integers s:<n>, none of which should ever hold more than 512: beyond
-- that Redis needs four times the memory.
-- m.n counts the fingerprints, m.sn the sets. These are the leaves of a binary tree whose nodes are numbered as in a heap: the root
-- is 1 and has all fingerprints, the children of n are 2n, with the lower half of those of n, and 2n+1. With F sets the leaves are
-- F to 2F-1, always; the tree grows by F's two children (linear hashing). A set has LOAD on average, and twice
-- that if it is among those next to be split; 512 is 5.6 standard deviations above, and one that passes it is small again once it is split.
-- A crawl whose size was foretold begins with as many sets as that takes, and splits none before it outgrows it.
-- A fingerprint is two arguments: its number, and that of its set as the client knows it, which is right as long as it is a leaf.
-- Included by scripts whose prelude gives call, unpack, M, P, byte, sub, floor, min, max.
local SEEN_ARGS = 2
local LOAD, MOST = 200, 2147483648
local S = P .. 's:'
local seen, sets, twice

-- seen_open takes m.n, m.sn, m.bn and m.ba.
local function seen_open(n, sn)
  seen, sets = tonumber(n), tonumber(sn)
  twice = 2 * sets
end

-- seen_top returns the first 32 bits of a fingerprint, counted from the lowest number there is. Lua's numbers have 53 bits, so it
-- is done in parts, exactly: |number| = a * 10^9 + b = (high * 2^16 + low).
local function seen_top(fp)
  local negative = byte(fp) == 45
  if negative then fp = sub(fp, 2) end
  local a, b = tonumber(sub(fp, 1, -10)) or 0, tonumber(sub(fp, -9))
  local high, low = floor(a / 65536) * 1e9, a % 65536 * 1e9 + b
  if negative then return 2147483648 - floor((high + floor((low + 4294967295) / 65536)) / 65536) end
  return 2147483648 + floor((high + floor(low / 65536)) / 65536)
end

-- seen_set returns the number of a fingerprint's set.
local function seen_set(fp)
  local node = 4294967296 + seen_top(fp)
  while node >= twice do node = floor(node / 2) end
  return node
end

-- seen_add records a fingerprint. 1: it was new, 0: it was seen.
local function seen_add(fp, set)
  local n = (set or 0) + 0
  if n < sets or n >= twice then set = seen_set(fp) end
  return call('SADD', S .. set, fp)
end

local function seen_has(fp, set)
  local n = (set or 0) + 0
  if n < sets or n >= twice then set = seen_set(fp) end
  return call('SISMEMBER', S .. set, fp)
end

-- seen_told is what the client is to know for the next time: the number of sets.
local function seen_told() return sets .. '' end

-- seen_grow splits a set. Redis tells integers that it packs in order, so that the two halves stand side by side.
local function seen_grow()
  local from = S .. sets
  local members = call('SMEMBERS', from)
  local left, right = 2 * sets, 2 * sets + 1
  local boundary = right
  while boundary < 4294967296 do boundary = 2 * boundary end
  boundary = boundary - 4294967296
  if #members > 512 or call('OBJECT', 'ENCODING', from) ~= 'intset' then
    table.sort(members, function(x, y) return seen_top(x) < seen_top(y) end)
  end
  local first, beyond = 1, #members + 1 -- of those on the right
  while first < beyond do
    local middle = floor((first + beyond) / 2)
    if seen_top(members[middle]) >= boundary then beyond = middle else first = middle + 1 end
  end
  call('DEL', from)
  for i = 1, first - 1, 1000 do call('SADD', S .. left, unpack(members, i, min(i + 999, first - 1))) end
  for i = first, #members, 1000 do call('SADD', S .. right, unpack(members, i, min(i + 999, #members))) end
  sets, twice = sets + 1, twice + 2
end

-- seen_close ends what was begun by seen_open; fresh is how many seen_add called new.
local function seen_close(fresh)
  if fresh == 0 then return end
  local before = sets
  while seen + fresh > LOAD * sets and sets < MOST do seen_grow() end
  if sets > before then call('HSET', M, 'sn', sets) end
end

-- seen_count counts anew, and names what is wrong.
local function seen_count(expect, n)
  local counted = 0
  for set = sets, twice - 1 do
    local members = call('SMEMBERS', S .. set)
    for i = 1, #members do
      local should = seen_set(members[i])
      if should ~= set then expect('set of fingerprint ' .. members[i], set, should) end
    end
    counted = counted + #members
  end
  expect('counter of the seen', n, counted)
end

-- seen_info returns {bytes, sets, members of the largest} for Stats, judged by some of the sets.
local function seen_info()
  local bytes, largest, looked = 0, 0, 0
  for set = sets, twice - 1, max(1, floor(sets / 32)) do
    local key = S .. set
    bytes = bytes + (call('MEMORY', 'USAGE', key) or 0)
    largest = max(largest, call('SCARD', key))
    looked = looked + 1
  end
  return {floor(bytes * sets / looked), sets, largest}
end

local seen_confirm = nil -- there is no other store
