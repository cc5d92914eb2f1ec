-- bloom: the layers of a Bloom filter; dedup.BloomLayer has its hashing. A fingerprint is given as its 8 bytes.
-- bp           string  per layer, oldest first: capacity, blocks, hashes; written when the filter is created
-- b:<l>:<c>    string  blocks 1023*c to 1023*c+1022 of layer l: 64 KiB with what Redis adds
-- m.bn, m.ba   layers begun, fingerprints in the newest
local MULTIPLIERS = {1295741, 1949387, 1078619, 1786913, 1427047, 2036591, 1160293, 1623511,
  1894825, 1345363, 1711477, 1231955, 2083129, 1564083, 1109871, 1860193}
local POWERS = {}
for i = 0, 32 do POWERS[i] = 2 ^ i end
local TWO32, CHUNK, BLOCK = 4294967296, 1023, '<IIIIIIIIIIIIIIII'
local bloom_layers, bloom_n, bloom_added = {}, 0, 0
local bloom_was_n, bloom_was_added

-- bloom_shape reads the shapes of the first n layers.
local function bloom_shape(n)
  local i = 0
  for capacity, blocks, hashes in string.gmatch(call('GET', P .. 'bp'), '(%d+) (%d+) (%d+)') do
    i = i + 1
    if not bloom_layers[i] then
      bloom_layers[i] = {capacity = tonumber(capacity), blocks = tonumber(blocks), hashes = tonumber(hashes), keys = {}}
    end
    if i == n then break end
  end
end

local function bloom_open()
  local s = call('HMGET', M, 'bn', 'ba')
  bloom_n, bloom_added = tonumber(s[1]), tonumber(s[2])
  bloom_was_n, bloom_was_added = bloom_n, bloom_added
  bloom_shape(bloom_n)
end

-- bloom_find returns the key and the offset of a fingerprint's block in layer n.
local function bloom_find(l, n, hi)
  local block = hi * l.blocks / TWO32
  block = block - block % 1
  local at = block % CHUNK
  local chunk = (block - at) / CHUNK
  local key = l.keys[chunk]
  if not key then
    key = P .. 'b:' .. (n - 1) .. ':' .. chunk
    l.keys[chunk] = key
  end
  return key, at * 64, chunk
end

-- bloom_test reports whether a layer has all bits of a fingerprint.
local function bloom_test(l, n, hi, x)
  local key, at = bloom_find(l, n, hi)
  local raw = call('GETRANGE', key, at, at + 63)
  if #raw < 64 then return false end
  for i = 1, l.hashes do
    local bit = x * MULTIPLIERS[i] % TWO32 / 8388608
    bit = bit - bit % 1
    local low = bit % 8
    if byte(raw, (bit - low) / 8 + 1) % POWERS[low + 1] < POWERS[low] then return false end
  end
  return true
end

local function bloom_split(fp)
  local hi, lo = struct.unpack('>II', fp)
  return hi, (lo * 1500901 % TWO32 + hi * 1832647 % TWO32) % TWO32
end

-- bloom_has reports whether a fingerprint was seen, or looks so.
local function bloom_has(fp)
  local hi, x = bloom_split(fp)
  for n = bloom_n, 1, -1 do
    if bloom_test(bloom_layers[n], n, hi, x) then return true end
  end
  return false
end

-- bloom_add records a fingerprint, unless it was seen or looks so; then it returns false.
local function bloom_add(fp)
  local hi, x = bloom_split(fp)
  local l = bloom_layers[bloom_n]
  local key, at, chunk = bloom_find(l, bloom_n, hi)
  local raw = call('GETRANGE', key, at, at + 63)
  local words
  if #raw == 64 then
    words = {struct.unpack(BLOCK, raw)}
  else
    words = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    call('SETRANGE', key, min(CHUNK, l.blocks - chunk * CHUNK) * 64 - 1, '\0')
  end
  local fresh = false
  for i = 1, l.hashes do
    local bit = x * MULTIPLIERS[i] % TWO32 / 8388608
    bit = bit - bit % 1
    local low = bit % 32
    local w, power = (bit - low) / 32 + 1, POWERS[low]
    if words[w] % POWERS[low + 1] < power then
      words[w] = words[w] + power
      fresh = true
    end
  end
  if not fresh then return false end
  for n = bloom_n - 1, 1, -1 do
    if bloom_test(bloom_layers[n], n, hi, x) then return false end
  end
  call('SETRANGE', key, at, struct.pack(BLOCK, unpack(words, 1, 16)))
  bloom_added = bloom_added + 1
  if bloom_added >= l.capacity then
    bloom_shape(bloom_n + 1)
    if bloom_layers[bloom_n + 1] then bloom_n, bloom_added = bloom_n + 1, 0 end
  end
  return true
end

local function bloom_close()
  if bloom_n ~= bloom_was_n or bloom_added ~= bloom_was_added then call('HSET', M, 'bn', bloom_n, 'ba', bloom_added) end
end

-- bloom_count names what is wrong.
local function bloom_count(expect, n)
  local holds = bloom_added
  for i = 1, bloom_n - 1 do holds = holds + bloom_layers[i].capacity end
  expect('counter of the seen', n, holds)
  for i = 1, bloom_n do
    local l = bloom_layers[i]
    local chunks = math.ceil(l.blocks / CHUNK)
    for c = 0, chunks - 1 do
      local key = P .. 'b:' .. (i - 1) .. ':' .. c
      local length = call('STRLEN', key)
      if length > 0 then expect('length of ' .. key, length, min(CHUNK, l.blocks - c * CHUNK) * 64) end
    end
  end
end

-- bloom_info returns {bytes, added to the newest, of each layer: capacity, blocks, hashes, blocks looked at, bits set in these}
-- for Stats. A layer has up to 64 chunks counted, spread over it: fingerprints fall on all blocks alike.
local function bloom_info()
  local out, bytes = {0, bloom_added}, 0
  for i = 1, bloom_n do
    local l = bloom_layers[i]
    local chunks, looked, set = math.ceil(l.blocks / CHUNK), 0, 0
    for c = 0, chunks - 1, math.ceil(chunks / 64) do
      looked = looked + min(CHUNK, l.blocks - c * CHUNK)
      set = set + call('BITCOUNT', P .. 'b:' .. (i - 1) .. ':' .. c)
    end
    local n = #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = l.capacity, l.blocks, l.hashes, looked, set
    bytes = bytes + l.blocks * 64 + chunks * 100
  end
  out[1] = bytes
  return out
end
