#!lua
-- know: mark fingerprints as seen, and queue nothing.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2..] fingerprints, in the form of the crawl's kind of filter: SEEN_ARGS each
-- returns {a string with what seen_add says of each, m.cn, what seen_told says}
--@ seen
if not open() then return NOCRAWL end
seen_open(state[8] or 0, state[12], state[13], state[14])
local fresh, answers, digits = 0, {}, {[0] = '0', '1', '2', '3'}
for i = 2, #ARGV, SEEN_ARGS do
  local a = seen_add(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
  if a == 1 then fresh = fresh + 1 end
  answers[#answers + 1] = digits[a]
end
seen_close(fresh)
count('n', fresh, 'ni', fresh)
return {table.concat(answers), state[15] or '0', seen_told()}
