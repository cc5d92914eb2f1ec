-- calendar: the tasks that wait for a revisit.
-- w:<minute>  list  plans of that minute
-- wi          zset  minute -> its ms
-- wx:<n>      hash  bucket of the index: the fingerprint's first 4 bytes -> minutes, mostly one; several stand apart by spaces.
--                   They are counted from EPOCH, so that Redis packs each into three bytes
--   plan  level (1 hex digit), length of host (1), where in the payload the host begins (1; 0: not there), the host if it is
--         not there, fingerprint (8), payload
-- The index is a linear hash: it grows by a bucket at a time, m.wb counts them, and none has more than some 250 fields, so
-- that all stay packed. Functions are given a plan without its head: the fingerprint and what follows.
local WI, BUCKET = P .. 'wi', 128
local EPOCH = 26297280 -- min, the beginning of 2020

local function write_plan(level, host, rest)
  local at = find(rest, host, 9, true)
  if at and at < 264 then return level .. char(#host, at - 8) .. rest end
  return level .. char(#host, 0) .. host .. rest
end

-- read_plan returns level, host, and the rest.
local function read_plan(r)
  local n, at = byte(r, 2, 3)
  if at > 0 then return sub(r, 1, 1), sub(r, 11 + at, 10 + at + n), sub(r, 4) end
  return sub(r, 1, 1), sub(r, 4, 3 + n), sub(r, 4 + n)
end

local buckets

-- bucket returns the number of the bucket that a fingerprint belongs in.
local function bucket(fp)
  buckets = buckets or tonumber(call('HGET', M, 'wb') or 1)
  local size, h = 1, struct.unpack('>I', fp)
  while 2 * size <= buckets do size = 2 * size end
  local n = h % (2 * size)
  return n < buckets and n or n - size
end

-- minutes_of reads an entry of the index: the names of minutes.
local function minutes_of(entry)
  local minutes = {}
  for m in string.gmatch(entry, '%S+') do minutes[#minutes + 1] = format('%.0f', m + EPOCH) end
  return minutes
end

local function index(fp, minute)
  local key, field, entry = P .. 'wx:' .. bucket(fp), sub(fp, 1, 4), format('%.0f', minute - EPOCH)
  if call('HSETNX', key, field, entry) == 0 then call('HSET', key, field, call('HGET', key, field) .. ' ' .. entry) end
end

-- planned_in returns the minutes in which a fingerprint may be found, in the order of their names.
local function planned_in(fp)
  local minutes = minutes_of(call('HGET', P .. 'wx:' .. bucket(fp), sub(fp, 1, 4)) or '')
  table.sort(minutes)
  return minutes
end

local function unindex(fp, minute)
  local key, field, gone = P .. 'wx:' .. bucket(fp), sub(fp, 1, 4), format('%.0f', minute - EPOCH)
  local entry, kept = call('HGET', key, field), {}
  if entry == gone then
    call('HDEL', key, field)
    return
  end
  for m in string.gmatch(entry or '', '%S+') do
    if m == gone then
      gone = nil -- one of them
    else
      kept[#kept + 1] = m
    end
  end
  if #kept > 0 then call('HSET', key, field, table.concat(kept, ' ')) end
end

-- grow splits buckets until there are enough for so many tasks.
local function grow(tasks)
  bucket('\0\0\0\0')
  local before = buckets
  while tasks > BUCKET * buckets do
    local size, moved, gone = 1, {}, {}
    while 2 * size <= buckets do size = 2 * size end
    local from = P .. 'wx:' .. (buckets - size)
    local all = call('HGETALL', from)
    for i = 1, #all, 2 do
      if struct.unpack('>I', all[i]) % (2 * size) == buckets then
        moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
        gone[#gone + 1] = all[i]
      end
    end
    each_chunk('HSET', P .. 'wx:' .. buckets, moved)
    each_chunk('HDEL', from, gone)
    buckets = buckets + 1
  end
  if buckets > before then call('HSET', M, 'wb', buckets) end
end

-- plan schedules a task for a minute.
local function plan(minute, level, host, rest)
  local name = format('%.0f', minute)
  if call('RPUSH', P .. 'w:' .. name, write_plan(level, host, rest)) == 1 then call('ZADD', WI, minute * 60000, name) end
  index(rest, minute)
end

-- tidy forgets a minute of which no plan is left.
local function tidy(minute)
  if call('EXISTS', P .. 'w:' .. minute) == 0 then call('ZREM', WI, minute) end
end
