#!lua flags=allow-oom
-- check: recount everything. Slow: for tests and `lycosa chaos`.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns the broken invariants in words
--@ hosts
--@ tasks
--@ leases
--@ calendar
--@ sums
--@ seen
if not open() then return NOCRAWL end
local broken = {}
local function expect(what, is, should)
  if is ~= should then broken[#broken + 1] = what .. ': ' .. tostring(is) .. ', should be ' .. tostring(should) end
end

local leased, claims, leases = {}, {}, call('HGETALL', T)
for i = 1, #leases, 2 do
  local l = read_lease(leases[i], leases[i + 1])
  leased[l.host] = (leased[l.host] or 0) + 1
  local c = claims[l.claim] or {held = 0, deadline = NEVER}
  claims[l.claim] = c
  c.held, c.deadline = c.held + 1, min(c.deadline, l.deadline)
  local name = 'lease ' .. l.token .. ' of ' .. l.host .. ' '
  expect(name .. 'is of its claim', l.token - l.claim >= 0 and l.token - l.claim < 1000, true)
  expect(name .. 'is from the future', tonumber(l.token) > token, false)
end
local n, counted = 0, 0
for claim, c in pairs(claims) do
  n = n + 1
  claim = format('%d', claim)
  local count = call('HGET', LC, claim)
  counted = counted + (count and 1 or 0)
  expect('leases of claim ' .. claim, tonumber(count or 1), c.held)
  expect('claim ' .. claim .. ' is looked at in time', tonumber(call('ZSCORE', L, claim) or NEVER) <= c.deadline, true)
end
expect('claims by number of leases', call('HLEN', LC), counted)
expect('claims by time', call('ZCARD', L), n)

local hosts, pending, inflight, busy, in_r, in_y = call('HKEYS', H), 0, 0, 0, 0, 0
for first = 1, #hosts, 1000 do
  local part = load({unpack(hosts, first, min(first + 999, #hosts))})
  for _, s in ipairs(part) do
    local name = 'host ' .. s.name .. ' '
    local queued, levels = 0, ''
    for level = 0, 15 do
      local hex = format('%x', level)
      local n = call('LLEN', queue(s.name, hex))
      if n > 0 then levels = levels .. hex end
      queued = queued + n
    end
    expect(name .. 'pending', s.pending, queued)
    expect(name .. 'levels', s.levels, levels)
    expect(name .. 'in flight', s.inflight, leased[s.name] or 0)
    leased[s.name] = nil
    local r, y = call('ZSCORE', R, s.name), call('ZSCORE', Y, s.name)
    if r then in_r = in_r + 1 end
    if y then in_y = in_y + 1 end
    expect(name .. 'places in r and y', (r and 1 or 0) + (y and 1 or 0), servable(s) and 1 or 0)
    if s.pending + s.inflight > 0 then busy = busy + 1 end
    if s.pending + s.inflight == 0 and s.delay == CRAWLS_DELAY and s.concurrency == CRAWLS_CONCURRENCY then
      expect(name .. 'to be forgotten', call('ZSCORE', I, s.name) and true, true)
    end
    pending, inflight = pending + s.pending, inflight + s.inflight
  end
end
for host, n in pairs(leased) do expect('leases of host ' .. host .. ' without record', n, 0) end
expect('hosts in r', call('ZCARD', R), in_r)
expect('hosts in y', call('ZCARD', Y), in_y)

local c = call('HMGET', M, 'p', 'l', 'd', 's', 'y', 'b', 'x', 'g', 'xt', 'gt')
for i = 1, 10 do c[i] = tonumber(c[i] or 0) end
expect('counter of the queued', c[1], pending)
expect('counter of the leased', c[2], inflight)
expect('counter of the leased, by lease', c[2], #leases / 2)
expect('counter of the delayed', c[3], call('ZCARD', P .. 'd'))
expect('counter of the busy hosts', c[6], busy)

local scheduled, planned = 0, {}
local free = 0 -- the first minute that no slot has had yet
for _, slot in ipairs(call('ZRANGE', WI, 0, -1)) do
  local first, length = read_slot(slot)
  local list = call('LRANGE', P .. 'w:' .. slot, 0, -1)
  if #list == 0 then expect('revisits in slot ' .. slot, 0, 'some') end
  if length > 1 and #list > FULL then expect('revisits in slot ' .. slot, #list, FULL .. ' at most') end
  expect('score of slot ' .. slot, tonumber(call('ZSCORE', WI, slot)), first * 60000)
  expect('slot ' .. slot .. ' begins after the one before', first >= free, true)
  expect('slot ' .. slot .. ' is a power of two', length <= LONGEST and math.frexp(length) == 0.5 and first % length == 0, true)
  free = first + length
  for _, r in ipairs(list) do
    local level, host, rest = read_plan(r)
    local minute = minute_of(r, first)
    expect('a plan of ' .. host .. ', written anew', write_plan(minute, level, host, rest) == r, true)
    expect('a plan of ' .. host .. ' is in slot ' .. slot, first <= minute and minute < free, true)
    local entry = entry_of(bits_of(rest), minute)
    planned[entry] = (planned[entry] or 0) + 1
  end
  scheduled = scheduled + #list
end
bucket(0)
for n = 0, buckets do -- one more than there are
  for _, entry in ipairs(call('SMEMBERS', P .. 'wx:' .. n)) do
    expect('bucket of an entry of the index', n, bucket(read_entry(entry)))
    planned[entry] = (planned[entry] or 0) - 1
  end
end
local more = call('HGETALL', WD)
for i = 1, #more, 2 do
  expect('entry of the index that stands for more plans is positive', tonumber(more[i + 1]) > 0, true)
  planned[more[i]] = (planned[more[i]] or 0) - more[i + 1]
end
for entry, n in pairs(planned) do expect('plans in minute ' .. select(2, read_entry(entry)) .. ' that the index has not', n, 0) end
expect('counter of the scheduled', c[4], scheduled)

local parked, labels = 0, call('HGETALL', P .. 'kl')
for i = 1, #labels, 2 do
  local n = call('LLEN', P .. 'k:' .. labels[i])
  expect('counter of parked ' .. labels[i], tonumber(labels[i + 1]), n)
  parked = parked + n
end
expect('counter of the parked', c[5], parked)
expect('dead letters', call('LLEN', P .. 'x'), c[7] - c[9])
expect('dead links', call('LLEN', P .. 'g'), c[8] - c[10])

local sums, added, size = call('HGETALL', HS), {}, {}
for i = 1, #sums, 2 do
  local name, packed = sums[i], sums[i + 1]
  if #packed == 0 or #packed % 8 > 0 or #packed > 256 then expect('bytes of the sums of ' .. name, #packed, '8 to 256, by eight') end
  for k, v in ipairs(unpack_sums(packed, 1)) do
    if v - v ~= 0 then expect('sum ' .. k .. ' of ' .. name, v, 'finite') end
    if name ~= '' then added[k], size[k] = (added[k] or 0) + v, (size[k] or 0) + math.abs(v) end
  end
end
local total = unpack_sums(call('HGET', HS, '') or '', 1)
for k = 1, max(#total, #added) do
  local is, should = total[k] or 0, added[k] or 0
  if math.abs(is - should) > 1e-6 * (1 + (size[k] or 0)) then expect('sum ' .. k .. ' of the partition', is, should) end
end

expect('originals by signature', call('HLEN', P .. 'ce'), call('LLEN', P .. 'co'))
expect('originals by simhash', call('HLEN', P .. 'nt'), call('LLEN', P .. 'no'))

local linked, size = tonumber(call('HGET', M, 'lb') or 1), 1
while 2 * size <= linked do size = 2 * size end
local pages = 0
for n = 0, linked do -- one more than there are
  local all = call('HGETALL', P .. 'ln:' .. n)
  for i = 1, #all, 2 do
    local at = struct.unpack('>I', all[i]) % (2 * size)
    expect('bucket of a count of links', n, at < linked and at or at - size)
    expect('a count of links, negative', tonumber(all[i + 1]) < 0, false)
    if tonumber(all[i + 1]) > 0 then pages = pages + 1 end
  end
end
expect('pages that are linked', tonumber(call('HGET', M, 'lc') or 0), pages)

seen_open(state[8] or 0, state[12], state[13], state[14])
seen_count(expect, tonumber(state[8] or 0))
return broken
