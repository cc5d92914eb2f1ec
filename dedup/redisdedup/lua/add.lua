#!lua
-- add: record fingerprints.
-- ARGV[1..] fingerprints, in the form of the kind: SEEN_ARGS each
-- returns {a string with what seen_add says of each, m.cn, what seen_told says}
--@ prelude
--@ seen
seen_open(count, state[2], state[3], state[4])
local ARGV, fresh, answers, n = ARGV, 0, {}, 0
for i = 1, #ARGV, SEEN_ARGS do
  local a = seen_add(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  if a == 1 then fresh = fresh + 1 end
  n = n + 1
  answers[n] = DIGITS[a]
end
seen_close(fresh)
if fresh > 0 then call('HINCRBY', M, 'n', fresh) end
return {table.concat(answers), state[5] or '0', seen_told()}
