-- seen (twotier): fingerprints in a Bloom filter here, and exactly in another store, which the client asks about
-- those that look seen.
-- u     set     fingerprints that were queued but may not be in the other store yet
-- m.cn  number  how often some were taken out of u
-- The first argument of a fingerprint that the other store does not have is followed by m.cn as it was before the store was
-- asked; of one that is to be taken as new, by '!'.
--@ bloom
local seen_open, seen_close, seen_info = bloom_open, bloom_close, bloom_info
local seen_pending = P .. 'u'

-- seen_add records a fingerprint. 1: it was new; 2: it looks seen, ask the other store; 3: it was seen, but may not be in
-- the other store.
local function seen_add(fp, where, first, last)
  local short = sub(fp, 1, 8)
  if #fp > 24 then
    if call('SISMEMBER', seen_pending, short) == 1 then return 3 end
    local asked = sub(fp, 25)
    -- Somebody may have put it into the other store after that was asked.
    if asked ~= '!' and asked ~= (call('HGET', M, 'cn') or '0') then return 2 end
    bloom_add(fp, where, first, last)
  elseif bloom_add(fp, where, first, last) == 0 then
    return call('SISMEMBER', seen_pending, short) == 1 and 3 or 2
  end
  call('SADD', seen_pending, short)
  return 1
end

-- seen_has: 1: it was seen; 2: it looks seen.
local function seen_has(fp)
  if not bloom_has(fp) then return 0 end
  return call('SISMEMBER', seen_pending, sub(fp, 1, 8)) == 1 and 1 or 2
end

-- seen_confirm notes that fingerprints are in the other store.
local function seen_confirm(fps)
  for i = 1, #fps, 1000 do call('SREM', seen_pending, unpack(fps, i, min(i + 999, #fps))) end
  call('HINCRBY', M, 'cn', 1)
end

-- seen_count names what is wrong.
local function seen_count(expect, n)
  local holds = bloom_added
  for i = 1, bloom_n - 1 do holds = holds + bloom_layers[i].capacity end
  if n < holds then expect('counter of the seen', n, 'at least ' .. holds) end
end
