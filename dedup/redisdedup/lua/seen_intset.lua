-- seen (intset): fingerprints as decimal numbers in sets of integers s:<n>. The number of sets grows one by one
-- (linear hashing), so that none ever holds more than 512, beyond which Redis needs four times the memory: on average
-- LOAD of them a set, at most twice that in those next to be split, and 512 is 7 standard deviations above twice LOAD.
-- m.n counts the fingerprints, m.si and m.sp are the level and the next set to be split.
-- Included by scripts whose prelude gives call, unpack, M, P, byte, sub, floor, min, max.
-- A crawl whose size was foretold begins with as many sets as that takes, and splits none before it outgrows it.
local LOAD = 186
local S = P .. 's:'
local seen, bits, split, size

local function seen_open()
  local s = call('HMGET', M, 'n', 'si', 'sp')
  seen, bits, split = tonumber(s[1] or 0), tonumber(s[2]), tonumber(s[3])
  size = 2 ^ bits
end

-- The last 9 digits of a fingerprint, a number that Lua can hold exactly, choose its set.
local function seen_set(fp)
  local a = sub(fp, -9)
  local b = a % size
  if b < split then b = a % (2 * size) end
  return S .. b
end

-- seen_add records a fingerprint. 1: it was new, 0: it was seen.
local function seen_add(fp) return call('SADD', seen_set(fp), fp) end

local function seen_has(fp) return call('SISMEMBER', seen_set(fp), fp) end

local function seen_grow()
  local from, to, twice = S .. split, S .. (split + size), 2 * size
  local members, leaving, n = call('SMEMBERS', from), {}, 0
  for i = 1, #members do
    local member = members[i]
    if sub(member, -9) % twice ~= split then
      n = n + 1
      leaving[n] = member
    end
  end
  for i = 1, n, 1000 do
    local last = min(i + 999, n)
    call('SREM', from, unpack(leaving, i, last))
    call('SADD', to, unpack(leaving, i, last))
  end
  split = split + 1
  if split == size then
    bits, split = bits + 1, 0
    size = 2 * size
  end
end

-- seen_close ends what was begun by seen_open; fresh is how many seen_add called new.
local function seen_close(fresh)
  if fresh == 0 then return end
  local splits = bits * 1e9 + split
  while seen + fresh > LOAD * (size + split) do seen_grow() end
  if bits * 1e9 + split ~= splits then call('HSET', M, 'si', bits, 'sp', split) end
end

-- seen_count counts anew, and names what is wrong.
local function seen_count(expect, n)
  local counted = 0
  for b = 0, size + split - 1 do
    local key = S .. b
    local members = call('SMEMBERS', key)
    for i = 1, #members do
      local should = seen_set(members[i])
      if should ~= key then expect('set of fingerprint ' .. members[i], key, should) end
    end
    counted = counted + #members
  end
  expect('counter of the seen', n, counted)
end

-- seen_info returns {bytes, sets, members of the largest} for Stats, judged by some of the sets.
local function seen_info()
  local sets, bytes, largest, looked = size + split, 0, 0, 0
  for b = 0, sets - 1, max(1, floor(sets / 32)) do
    local key = S .. b
    bytes = bytes + (call('MEMORY', 'USAGE', key) or 0)
    largest = max(largest, call('SCARD', key))
    looked = looked + 1
  end
  return {floor(bytes * sets / looked), sets, largest}
end

local seen_confirm = nil -- there is no other store
