-- calendar: the tasks that wait for a revisit.
-- w:<slot>  list  plans of a slot
-- wi        zset  slot -> its ms
-- wx:<n>    set   bucket of the index: where plans are to be found, as integers: 1 + 26 bits of the fingerprint, then the minute
--                 in 8 digits, so that Redis packs each into eight bytes
-- wd        hash  entry of the index -> how many more plans it stands for
--   slot  the first of its minutes and, if there are more, + and how many: a power of two up to LONGEST, of which the
--         first is a multiple. Slots have no minute in common, and each has a plan
--   plan  level and the last 12 bits of the minute (2), length of host (1), where in the payload the host begins (1; 0: not
--         there), the host if it is not there, fingerprint (8), payload
-- A slot costs some 600 bytes, so few plans have a long one in common. When more come than FULL, they are dealt to shorter ones;
-- and so they are when the first minute has come, in sixteenths, so that few slots have few plans. A minute has any number.
-- The index is a linear hash: it grows by a bucket at a time, m.wb counts them, and none has more than some 300 entries, so
-- that all stay packed. Functions are given a plan without its head: the fingerprint and what follows.
local WI, WD, BUCKET = P .. 'wi', P .. 'wd', 128
local LONGEST, FULL = 4096, 256 -- min, plans
local LAST = 99999999 -- min: in 2160, as good as never

local function write_plan(minute, level, host, rest)
  local head = struct.pack('>HB', tonumber(level, 16) * 4096 + minute % 4096, #host)
  local at = find(rest, host, 9, true)
  if at and at < 264 then return head .. char(at - 8) .. rest end
  return head .. '\0' .. host .. rest
end

-- read_plan returns level, host, and the rest.
local function read_plan(r)
  local level, n, at = format('%x', floor(byte(r, 1) / 16)), byte(r, 3, 4)
  if at > 0 then return level, sub(r, 12 + at, 11 + at + n), sub(r, 5) end
  return level, sub(r, 5, 4 + n), sub(r, 5 + n)
end

-- read_slot returns the first minute of a slot, and how many it has.
local function read_slot(slot)
  local first, length = string.match(slot, '^(%d+)%+?(%d*)$')
  return tonumber(first), tonumber(length) or 1
end

-- minute_of returns the minute of a plan in a slot that begins at first.
local function minute_of(r, first) return first - first % 4096 + struct.unpack('>H', r) % 4096 end

local buckets, half -- how many there are, and the greatest power of two up to that

-- bucket returns the number of the bucket that a fingerprint's bits belong in.
local function bucket(bits)
  if not buckets then
    buckets, half = tonumber(call('HGET', M, 'wb') or 1), 1
    while 2 * half <= buckets do half = 2 * half end
  end
  local n = bits % (2 * half)
  return n < buckets and n or n - half
end

-- bits_of returns a number of up to eight digits, of which the first is not 0.
local function bits_of(fp) return struct.unpack('>I', fp) % 67108864 + 1 end
local function entry_of(bits, minute) return format('%d%08d', bits, minute) end

-- read_entry returns the bits and the minute.
local function read_entry(entry) return tonumber(sub(entry, 1, -9)), tonumber(sub(entry, -8)) end

local doubles -- whether there are any

local function index(fp, minute)
  local bits = bits_of(fp)
  local entry = entry_of(bits, minute)
  if call('SADD', P .. 'wx:' .. bucket(bits), entry) == 0 then
    call('HINCRBY', WD, entry, 1)
    doubles = true
  end
end

local function unindex(fp, minute)
  local bits = bits_of(fp)
  local entry = entry_of(bits, minute)
  if doubles == nil then doubles = call('EXISTS', WD) == 1 end
  if doubles and call('HEXISTS', WD, entry) == 1 then
    if call('HINCRBY', WD, entry, -1) == 0 then call('HDEL', WD, entry) end
    return
  end
  call('SREM', P .. 'wx:' .. bucket(bits), entry)
end

-- planned_in returns the minutes in which a fingerprint may be found, in the order of their names.
local function planned_in(fp)
  local bits, minutes, cursor = bits_of(fp), {}, '0'
  repeat -- once: a set of integers is one page
    local page = call('SSCAN', P .. 'wx:' .. bucket(bits), cursor, 'MATCH', bits .. '????????', 'COUNT', 1000)
    for _, entry in ipairs(page[2]) do minutes[#minutes + 1] = format('%d', sub(entry, -8)) end
    cursor = page[1]
  until cursor == '0'
  table.sort(minutes)
  return minutes
end

-- grow splits buckets until there are enough for so many tasks.
local function grow(tasks)
  bucket(0)
  local before = buckets
  while tasks > BUCKET * buckets do
    local from, moved = P .. 'wx:' .. (buckets - half), {}
    for _, entry in ipairs(call('SMEMBERS', from)) do
      if read_entry(entry) % (2 * half) == buckets then moved[#moved + 1] = entry end
    end
    each_chunk('SADD', P .. 'wx:' .. buckets, moved)
    each_chunk('SREM', from, moved)
    buckets = buckets + 1
    if buckets == 2 * half then half = buckets end
  end
  if buckets > before then call('HSET', M, 'wb', buckets) end
end

-- slot_of returns the slot that a minute is in, its first minute and how many it has; or nil and where the one before ends.
local function slot_of(minute)
  local slot = call('ZREVRANGEBYSCORE', WI, minute * 60000, '-inf', 'LIMIT', 0, 1)[1]
  if not slot then return nil, 0 end
  local first, length = read_slot(slot)
  if minute < first + length then return slot, first, length end
  return nil, first + length
end

local function name_of(first, length) return length > 1 and format('%d+%d', first, length) or format('%d', first) end

-- put appends plans to a slot, and returns how many it has.
local function put(slot, first, ...)
  local n = call('RPUSH', P .. 'w:' .. slot, ...)
  if n == select('#', ...) then call('ZADD', WI, first * 60000, slot) end
  return n
end

-- deal moves the plans of a slot to slots of so many minutes.
local function deal(slot, first, length)
  call('ZREM', WI, slot)
  while true do
    local list, parts = call('LPOP', P .. 'w:' .. slot, 100), {}
    if not list then return end
    for i = 1, #list do
      local minute = minute_of(list[i], first)
      local begin = minute - minute % length
      parts[begin] = parts[begin] or {}
      parts[begin][#parts[begin] + 1] = list[i]
    end
    for begin, part in pairs(parts) do put(name_of(begin, length), begin, unpack(part)) end
  end
end

-- halve deals a slot that is full to the longest slots that part its plans.
local function halve(slot, first, length)
  local earliest, latest = NEVER, 0
  for _, r in ipairs(call('LRANGE', P .. 'w:' .. slot, 0, -1)) do
    local minute = minute_of(r, first)
    earliest, latest = min(earliest, minute), max(latest, minute)
  end
  repeat length = length / 2 until length == 1 or floor(earliest / length) < floor(latest / length)
  deal(slot, first, length)
end

-- plan schedules a task for a minute: in the slot that has it, or else in the longest that has room between the others and has
-- not begun.
local function plan(minute, level, host, rest)
  minute = min(minute, LAST)
  local slot, first, length = slot_of(minute)
  if not slot then
    local from, to = max(first, floor(now / 60000) + 1), NEVER
    local after = call('ZRANGEBYSCORE', WI, minute * 60000, '+inf', 'LIMIT', 0, 1)[1]
    if after then to = read_slot(after) end
    length = LONGEST
    first = minute - minute % length
    while length > 1 and (first < from or first + length > to) do
      length = length / 2
      first = minute - minute % length
    end
    slot = name_of(first, length)
  end
  local n = put(slot, first, write_plan(minute, level, host, rest))
  index(rest, minute)
  if n > FULL and length > 1 then halve(slot, first, length) end
end

-- tidy forgets a slot of which no plan is left.
local function tidy(slot)
  if call('EXISTS', P .. 'w:' .. slot) == 0 then call('ZREM', WI, slot) end
end

-- is_due reports whether a plan is.
local function is_due()
  local slot = call('ZRANGEBYSCORE', WI, '-inf', now, 'LIMIT', 0, 1)[1]
  if not slot then return false end
  local first, length = read_slot(slot)
  if (first + length - 1) * 60000 <= now then return true end
  for _, r in ipairs(call('LRANGE', P .. 'w:' .. slot, 0, -1)) do
    if minute_of(r, first) * 60000 <= now then return true end
  end
  return false
end
