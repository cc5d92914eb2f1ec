#!lua
-- link: count how many pages link to pages.
-- ln:<n>  hash  fingerprint -> count
-- That is a linear hash as the index of the calendar is: m.lb counts its buckets, m.lc the pages that are
-- linked.
-- ARGV[1]  now  ms; 0 = the server's clock
-- ARGV[2..] fingerprint, 8 bytes; 1, -1, or 0 to ask only
-- returns the counts: -1 of a page that was never linked
if not open() then return NOCRAWL end
local LN, BUCKET = P .. 'ln:', 64
local m = call('HMGET', M, 'lb', 'lc')
local buckets, pages = tonumber(m[1] or 1), tonumber(m[2] or 0)

local size = 1 -- the largest power of two that is not above the number of buckets
while 2 * size <= buckets do size = 2 * size end

local function bucket(fp)
  local n = struct.unpack('>I', fp) % (2 * size)
  return LN .. (n < buckets and n or n - size)
end

-- split makes one more bucket out of an old one.
local function split()
  local from, moved = LN .. (buckets - size), {}
  local all = call('HGETALL', from)
  for i = 1, #all, 2 do
    if struct.unpack('>I', all[i]) % (2 * size) == buckets then
      call('HDEL', from, all[i])
      moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
    end
  end
  if #moved > 0 then call('HSET', LN .. buckets, unpack(moved)) end
  buckets = buckets + 1
  if buckets == 2 * size then size = buckets end
end

local counts, known = {}, pages
for i = 2, #ARGV, 2 do
  local fp, by = ARGV[i], tonumber(ARGV[i + 1])
  local key, n = bucket(fp), nil
  if by > 0 then
    n = call('HINCRBY', key, fp, 1)
    if n == 1 then pages = pages + 1 end
    while pages > BUCKET * buckets do split() end
  else
    n = tonumber(call('HGET', key, fp) or -1)
    if by < 0 and n > 0 then
      n = call('HINCRBY', key, fp, -1)
      if n == 0 then pages = pages - 1 end
    end
  end
  counts[#counts + 1] = n
end
if pages ~= known then call('HSET', M, 'lb', buckets, 'lc', pages) end
return counts
