#!lua flags=allow-oom
-- extend: renew leases by the full lease time.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] lease time, ms
-- ARGV[3..] tokens
-- returns a string with 1 for each lease renewed and 0 for each lost one
--@ hosts
if not open() then return NOCRAWL end
local tokens, to, effects = {}, {}, {}
for i = 3, #ARGV do tokens[i - 2] = ARGV[i] end
local deadlines = call('ZMSCORE', P .. 'l', unpack(tokens))
for i = 1, #tokens do
  effects[i] = 0
  if deadlines[i] and tonumber(deadlines[i]) > now then
    effects[i] = 1
    add(to, now + ARGV[2], tokens[i])
  end
end
each_chunk('ZADD', P .. 'l', to)
if #to > 0 then call('HSET', M, 't', now) end
return table.concat(effects)
