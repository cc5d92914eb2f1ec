#!lua
-- push: mark tasks as seen and queue those that were not, in one step.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] duplicates to count that the client recognised by itself
-- ARGV[3..] per host: host, number of tasks, then per task: fingerprint (decimal), how, element
--           how is the level (1 hex digit), then "!" to queue it even if seen, then the ms it is due, if later
-- returns the number of tasks queued
--@ hosts
--@ tasks
if not open() then return NOCRAWL end

-- Fingerprints stand in sets of integers s:<n>. The number of sets grows one by one (linear hashing), so that
-- none ever holds more than 512, beyond which Redis needs four times the memory: on average LOAD of them a set,
-- at most twice that in those next to be split, and 512 is 7 standard deviations above twice LOAD.
local LOAD = 186
local seen, bits, split = tonumber(state[8] or 0), tonumber(state[9]), tonumber(state[10])
local size = 2 ^ bits

-- The last 9 digits of a fingerprint, a number that Lua can hold exactly, choose its set.
local function bucket(fp)
  local a = tonumber(sub(fp, -9))
  local b = a % size
  if b < split then b = a % (2 * size) end
  return b
end

local function grow()
  local from, to = P .. 's:' .. split, P .. 's:' .. (split + size)
  local members, leaving = call('SMEMBERS', from), {}
  for i = 1, #members do
    if tonumber(sub(members[i], -9)) % (2 * size) ~= split then leaving[#leaving + 1] = members[i] end
  end
  each_chunk('SREM', from, leaving)
  each_chunk('SADD', to, leaving)
  split = split + 1
  if split == size then
    bits, split = bits + 1, 0
    size = 2 * size
  end
end

local names, i = {}, 3
while i <= #ARGV do
  names[#names + 1] = ARGV[i]
  i = i + 2 + 3 * ARGV[i + 1]
end
local hosts, changed = load(names), {}
local queued, delayed, fresh, duplicates, due = 0, {}, 0, tonumber(ARGV[2]), NEVER
i = 3
for g = 1, #hosts do
  local s, by_level, n = hosts[g], {}, 0
  local last = i + 1 + 3 * ARGV[i + 1]
  for t = i + 2, last, 3 do
    local fp, how = ARGV[t], ARGV[t + 1]
    local is_new = call('SADD', P .. 's:' .. bucket(fp), fp)
    fresh = fresh + is_new
    local level, forced, at = how, false, nil
    if #how > 1 then
      level, forced, at = sub(how, 1, 1), sub(how, 2, 2) == '!', tonumber(string.match(how, '%d+$', 2))
    end
    if is_new == 0 and not forced then
      duplicates = duplicates + 1
    elseif at and at > now then
      token = token + 1 -- makes equal tasks different
      add(delayed, at, struct.pack('>d', token) .. record(level, s.name, ARGV[t + 2]))
      due = min(due, at)
    else
      local list = by_level[level]
      if not list then
        list = {}
        by_level[level] = list
      end
      list[#list + 1] = ARGV[t + 2]
      n = n + 1
    end
  end
  i = last + 1
  if n > 0 then
    for level, list in pairs(by_level) do
      each_chunk('RPUSH', queue(s.name, level), list)
      add_level(s, level)
    end
    s.pending = s.pending + n
    queued = queued + n
    changed[#changed + 1] = s
  end
end

if fresh > 0 then
  local splits = bits * 1e9 + split
  while seen + fresh > LOAD * (size + split) do grow() end
  if bits * 1e9 + split ~= splits then call('HSET', M, 'si', bits, 'sp', split) end
end
if #delayed > 0 then
  each_chunk('ZADD', P .. 'd', delayed)
  call('HSET', M, 'q', token)
end
if queued > 0 then due = min(due, save(changed)) end
local added = queued + #delayed / 2
count('n', fresh, 'u', duplicates, 'p', queued, 'd', #delayed / 2, 'a', added)
notify(due)
return added
