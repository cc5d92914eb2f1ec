#!lua
-- link: count how many pages link to pages.
-- ln:<n>  hash  fingerprint -> count
-- That is a linear hash as the index of the calendar is: m.lb counts its buckets, m.lc the pages in it.
-- ARGV[1]  now  ms; 0 = the server's clock
-- ARGV[2..] fingerprint, 8 bytes; 1, -1, or 0 to ask only
-- returns the counts: -1 of a page that was never linked
if not open() then return NOCRAWL end
local LN, BUCKET = P .. 'ln:', 128
local m = call('HMGET', M, 'lb', 'lc')
local buckets, pages = tonumber(m[1] or 1), tonumber(m[2] or 0)

-- half returns the largest power of two that is not above the number of buckets.
local function half()
  local size = 1
  while 2 * size <= buckets do size = 2 * size end
  return size
end

local function bucket(fp)
  local size = half()
  local n = struct.unpack('>I', fp) % (2 * size)
  return LN .. (n < buckets and n or n - size)
end

-- split makes one more bucket out of an old one.
local function split()
  local size = half()
  local from, all, moved = LN .. (buckets - size), nil, {}
  all = call('HGETALL', from)
  for i = 1, #all, 2 do
    if struct.unpack('>I', all[i]) % (2 * size) == buckets then
      call('HDEL', from, all[i])
      moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
    end
  end
  if #moved > 0 then call('HSET', LN .. buckets, unpack(moved)) end
  buckets = buckets + 1
end

local counts, before = {}, pages
for i = 2, #ARGV, 2 do
  local fp, by = ARGV[i], tonumber(ARGV[i + 1])
  local key = bucket(fp)
  local n = tonumber(call('HGET', key, fp) or -1)
  if by > 0 and n < 0 then pages, n = pages + 1, 0 end
  if by > 0 or by < 0 and n > 0 then
    n = n + by
    call('HSET', key, fp, n)
  end
  counts[#counts + 1] = n
  while pages > BUCKET * buckets do split() end
end
if pages > before then call('HSET', M, 'lb', buckets, 'lc', pages) end
return counts
