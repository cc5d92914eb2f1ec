#!lua
-- push: mark tasks as seen and queue those that were not, in one step.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] duplicates to count that the client recognised by itself
-- ARGV[3..] per host: host, number of tasks, then per task: fingerprint (SEEN_ARGS arguments, in the form of the crawl's kind of
--           filter), how, element
--           how is the level (1 hex digit), then "!" to queue it even if seen, or "-" to do so and not to record it as seen,
--           then the ms it is due, if later
-- returns {number of tasks queued, what seen_told says}, and if the filter has another store m.cn and a string with what seen_add
--          says of each
--@ hosts
--@ tasks
--@ seen
if not open() then return NOCRAWL end

seen_open(state[8] or 0, state[12], state[13], state[14])
local TASK_ARGS = SEEN_ARGS + 2
local names, i = {}, 3
while i <= #ARGV do
  names[#names + 1] = ARGV[i]
  i = i + 2 + TASK_ARGS * ARGV[i + 1]
end
local hosts, changed = load(names), {}
local queued, delayed, fresh, duplicates, due, answers = 0, {}, 0, tonumber(ARGV[2]), NEVER, {}
i = 3
for g = 1, #hosts do
  local s, by_level, n = hosts[g], {}, 0
  local last = i + 1 + TASK_ARGS * ARGV[i + 1]
  for t = i + 2, last, TASK_ARGS do
    local how, element = ARGV[t + SEEN_ARGS], ARGV[t + SEEN_ARGS + 1]
    local level, forced, at, answer = how, false, nil, nil
    if #how > 1 then
      local mark = sub(how, 2, 2)
      level, forced, at = sub(how, 1, 1), mark == '!' or mark == '-', tonumber(string.match(how, '%d+$', 2))
      if mark == '-' then answer = 0 end
    end
    answer = answer or seen_add(ARGV[t], ARGV[t + 1], ARGV[t + 2], ARGV[t + 3])
    if answer == 1 then fresh = fresh + 1 end
    answers[#answers + 1] = answer
    if answer == 2 and not forced then
      -- The client asks the other store, and comes again if the task is new.
    elseif answer ~= 1 and not forced then
      duplicates = duplicates + 1
    elseif at and at > now then
      token = token + 1 -- makes equal tasks different
      add(delayed, at, struct.pack('>d', token) .. record(level, s.name, element))
      due = min(due, at)
    else
      local list = by_level[level]
      if not list then
        list = {}
        by_level[level] = list
      end
      list[#list + 1] = element
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

seen_close(fresh)
if #delayed > 0 then
  each_chunk('ZADD', P .. 'd', delayed)
  call('HSET', M, 'q', token)
end
if queued > 0 then due = min(due, save(changed)) end
local added = queued + #delayed / 2
count('n', fresh, 'u', duplicates, 'p', queued, 'd', #delayed / 2, 'a', added)
notify(due)
if seen_confirm then return {added, seen_told(), state[15] or '0', table.concat(answers)} end
return {added, seen_told()}
