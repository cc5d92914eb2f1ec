#!lua flags=allow-oom,no-writes
-- has: look fingerprints up.
-- ARGV[1..] fingerprints, in the form of the kind: SEEN_ARGS each
-- returns {a string with what seen_has says of each, what seen_told says}
--@ prelude
--@ seen
seen_open(count, state[2], state[3], state[4])
local answers, n = {}, 0
for i = 1, #ARGV, SEEN_ARGS do
  n = n + 1
  answers[n] = DIGITS[seen_has(ARGV[i], ARGV[i + 1])]
end
return {table.concat(answers), seen_told()}
