#!lua
-- add: record fingerprints.
-- ARGV[1..] fingerprints, in the form of the kind
-- returns {a string with what seen_add says of each, m.cn}
--@ prelude
--@ seen
seen_open()
local fresh, answers = 0, {}
for i = 1, #ARGV do
  local a = seen_add(ARGV[i])
  if a == 1 then fresh = fresh + 1 end
  answers[i] = DIGITS[a]
end
seen_close(fresh)
if fresh > 0 then call('HINCRBY', M, 'n', fresh) end
return {table.concat(answers), call('HGET', M, 'cn') or '0'}
