-- bloom: the layers of a Bloom filter; dedup.BloomLayer has its hashing.
-- bp           string  per layer, oldest first: capacity, blocks, hashes; written when the filter is created
-- b:<l>:<c>    string  the c-th blocks of layer l, as many as 65472 bytes hold: 64 KiB with what Redis adds
-- m.bn, m.ba   layers begun, fingerprints in the newest
-- A fingerprint is four arguments: its 8 bytes and 16 more, of which the i-th is its bit in the i-th word of a block; and, as the client
-- knows it for the newest layer, "<l>:<c>" and where its block begins and ends there: for Lua it is the greater part of the work to
-- find that and to print it. If the layer is not the newest any more, or the three are missing, it is done here.
local SEEN_ARGS = 4
local TWO32, CHUNK = 4294967296, 65472
local pack_words, unpack_words = struct.pack, struct.unpack
local POWERS, EIGHT = {[0] = 1}, '<I6I6I6I6I6I6I6I6'
for i = 1, 48 do POWERS[i] = 2 * POWERS[i - 1] end
local bloom_layers, bloom_n, bloom_added = {}, 0, 0
local bloom_was_n, bloom_was_added

-- bloom_find returns the key of a fingerprint's block in a layer, its first and last byte there, and "<l>:<c>".
local function bloom_find(l, fp)
  local block = unpack_words('>I', fp) * l.share
  block = block - block % 1
  local at = block % l.chunk
  local chunk = (block - at) / l.chunk
  local where = l.wheres[chunk]
  if not where then
    where = l.name .. chunk
    l.wheres[chunk], l.keys[where] = where, P .. 'b:' .. where
  end
  at = at * l.block
  return l.keys[where], at, at + l.block - 1, where
end

-- bloom_all reports whether a block has all bits of a fingerprint.
local function bloom_all(raw, fp, l)
  for i = 1, l.hashes do
    local bit = byte(fp, 8 + i)
    if unpack_words('<I6', raw, 6 * i - 5) % POWERS[bit + 1] < POWERS[bit] then return false end
  end
  return true
end

-- bloom_all8 is bloom_all for eight hashes, which most rates take.
local function bloom_all8(raw, fp)
  local a, b, c, d, e, f, g, h = unpack_words(EIGHT, raw)
  local i, j, k, l, m, n, o, p = byte(fp, 9, 16)
  return a % POWERS[i + 1] >= POWERS[i] and b % POWERS[j + 1] >= POWERS[j] and c % POWERS[k + 1] >= POWERS[k]
    and d % POWERS[l + 1] >= POWERS[l] and e % POWERS[m + 1] >= POWERS[m] and f % POWERS[n + 1] >= POWERS[n]
    and g % POWERS[o + 1] >= POWERS[o] and h % POWERS[p + 1] >= POWERS[p]
end

-- bloom_test reports whether a layer has all bits of a fingerprint.
local function bloom_test(l, fp)
  local key, first, last = bloom_find(l, fp)
  local raw = call('GETRANGE', key, first, last)
  return raw ~= '' and l.all(raw, fp, l)
end

-- bloom_has reports whether a fingerprint was seen, or looks so.
local function bloom_has(fp)
  for n = bloom_n, 1, -1 do
    if bloom_test(bloom_layers[n], fp) then return true end
  end
  return false
end

-- bloom_set returns a block with the bits of a fingerprint in it; the same one if it had them all.
local function bloom_set(raw, fp, l)
  local words, bits = {unpack_words(l.words, raw)}, {byte(fp, 9, 8 + l.hashes)}
  for i = 1, l.hashes do
    local bit, word = bits[i], words[i]
    if word % POWERS[bit + 1] < POWERS[bit] then words[i] = word + POWERS[bit] end
  end
  return pack_words(l.words, unpack(words))
end

-- bloom_set8 is bloom_set for eight hashes, which most rates take: without tables and a loop it takes two thirds of the time.
local function bloom_set8(raw, fp)
  local a, b, c, d, e, f, g, h = unpack_words(EIGHT, raw)
  local i, j, k, l, m, n, o, p = byte(fp, 9, 16)
  if a % POWERS[i + 1] < POWERS[i] then a = a + POWERS[i] end
  if b % POWERS[j + 1] < POWERS[j] then b = b + POWERS[j] end
  if c % POWERS[k + 1] < POWERS[k] then c = c + POWERS[k] end
  if d % POWERS[l + 1] < POWERS[l] then d = d + POWERS[l] end
  if e % POWERS[m + 1] < POWERS[m] then e = e + POWERS[m] end
  if f % POWERS[n + 1] < POWERS[n] then f = f + POWERS[n] end
  if g % POWERS[o + 1] < POWERS[o] then g = g + POWERS[o] end
  if h % POWERS[p + 1] < POWERS[p] then h = h + POWERS[p] end
  return pack_words(EIGHT, a, b, c, d, e, f, g, h)
end

-- bloom_shape reads the shapes of the first n layers.
local function bloom_shape(n)
  local i = 0
  for capacity, blocks, hashes in string.gmatch(call('GET', P .. 'bp'), '(%d+) (%d+) (%d+)') do
    i = i + 1
    if not bloom_layers[i] then
      local l = {capacity = tonumber(capacity), blocks = tonumber(blocks), hashes = tonumber(hashes), keys = {}, wheres = {}}
      l.share, l.block, l.words = l.blocks / TWO32, 6 * l.hashes, '<' .. string.rep('I6', l.hashes)
      l.chunk, l.name = floor(CHUNK / l.block), (i - 1) .. ':'
      l.set, l.all = bloom_set, bloom_all
      if l.hashes == 8 then l.set, l.all = bloom_set8, bloom_all8 end
      bloom_layers[i] = l
    end
    if i == n then break end
  end
end

-- bloom_open takes m.n, m.sn, m.bn and m.ba.
local function bloom_open(_, _, bn, ba)
  bloom_n, bloom_added = tonumber(bn), tonumber(ba)
  bloom_was_n, bloom_was_added = bloom_n, bloom_added
  bloom_shape(bloom_n)
end

-- bloom_add records a fingerprint: 1. It returns 0 if it was seen, or looks so.
local function bloom_add(fp, where, first, last)
  local l = bloom_layers[bloom_n]
  local key = l.keys[where]
  if not key then
    if where and sub(where, 1, #l.name) == l.name then
      key = P .. 'b:' .. where
      l.keys[where] = key
    else
      key, first, last, where = bloom_find(l, fp)
    end
  end
  local raw = call('GETRANGE', key, first, last)
  if raw == '' then
    call('SETRANGE', key, min(l.chunk, l.blocks - sub(where, #l.name + 1) * l.chunk) * l.block - 1, '\0')
    raw = string.rep('\0', l.block)
  end
  local with = l.set(raw, fp, l)
  if with == raw then return 0 end
  for n = bloom_n - 1, 1, -1 do
    if bloom_test(bloom_layers[n], fp) then return 0 end
  end
  call('SETRANGE', key, first, with)
  bloom_added = bloom_added + 1
  if bloom_added >= l.capacity then
    bloom_shape(bloom_n + 1)
    if bloom_layers[bloom_n + 1] then bloom_n, bloom_added = bloom_n + 1, 0 end
  end
  return 1
end

-- seen_told is what the client is to know for the next time: the newest layer, its blocks and hashes.
local function seen_told()
  local l = bloom_layers[bloom_n]
  return (bloom_n - 1) .. ' ' .. l.blocks .. ' ' .. l.hashes
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
    for c = 0, math.ceil(l.blocks / l.chunk) - 1 do
      local key = P .. 'b:' .. l.name .. c
      local length = call('STRLEN', key)
      if length > 0 then expect('length of ' .. key, length, min(l.chunk, l.blocks - c * l.chunk) * l.block) end
    end
  end
end

-- bloom_info returns {bytes, added to the newest, of each layer: capacity, blocks, hashes, blocks looked at, bits set in these}
-- for Stats. A layer has up to 64 chunks counted, spread over it: fingerprints fall on all blocks alike.
local function bloom_info()
  local out, bytes = {0, bloom_added}, 0
  for i = 1, bloom_n do
    local l = bloom_layers[i]
    local chunks, looked, set = math.ceil(l.blocks / l.chunk), 0, 0
    for c = 0, chunks - 1, math.ceil(chunks / 64) do
      looked = looked + min(l.chunk, l.blocks - c * l.chunk)
      set = set + call('BITCOUNT', P .. 'b:' .. l.name .. c)
    end
    local n = #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = l.capacity, l.blocks, l.hashes, looked, set
    bytes = bytes + l.blocks * l.block + chunks * 100
  end
  out[1] = bytes
  return out
end
