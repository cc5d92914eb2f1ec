#!lua
-- know: mark fingerprints as seen, and queue nothing.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2..] fingerprints, in the form of the crawl's kind of filter
-- returns {a string with what seen_add says of each, m.cn}
--@ seen
if not open() then return NOCRAWL end
seen_open()
local fresh, answers, digits = 0, {}, {[0] = '0', '1', '2', '3'}
for i = 2, #ARGV do
  local a = seen_add(ARGV[i])
  if a == 1 then fresh = fresh + 1 end
  answers[i - 1] = digits[a]
end
seen_close(fresh)
count('n', fresh, 'ni', fresh)
return {table.concat(answers), call('HGET', M, 'cn') or '0'}
