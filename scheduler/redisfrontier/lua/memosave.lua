#!lua
-- memosave: remember a value for a host.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] field: host, NUL, name
-- ARGV[3] value
-- ARGV[4] for so many ms
-- returns 1
if not open() then return NOCRAWL end
call('HSET', P .. 'o', ARGV[2], struct.pack('>d', now + ARGV[4]) .. ARGV[3])
-- Each value saved looks at a few others and drops the old: so they never grow to be the most.
local some = call('HRANDFIELD', P .. 'o', 4)
for i = 1, #some do
  local head = call('HGET', P .. 'o', some[i])
  if head and struct.unpack('>d', head) <= now then call('HDEL', P .. 'o', some[i]) end
end
return 1
