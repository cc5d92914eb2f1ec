#!lua flags=allow-oom
-- extend: renew leases by the full lease time.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] lease time, ms
-- ARGV[3..] tokens
-- returns a string with 1 for each lease renewed and 0 for each lost one
--@ hosts
--@ leases
if not open() then return NOCRAWL end
local tokens, to, effects = {}, {}, {}
for i = 3, #ARGV do tokens[i - 2] = ARGV[i] end
local leases = held(tokens)
for i = 1, #tokens do
  local l = leases[i]
  effects[i] = l and 1 or 0
  if l then add(to, l.token, with_deadline(l, now + ARGV[2])) end
end
each_chunk('HSET', T, to)
if #to > 0 then call('HSET', M, 't', now) end
return table.concat(effects)
