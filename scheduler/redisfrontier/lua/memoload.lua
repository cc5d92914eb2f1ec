#!lua flags=allow-oom
-- memoload: a value remembered for a host.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] field: host, NUL, name
-- returns the value, or nil if there is none or it is too old
if not open() then return NOCRAWL end
local v = call('HGET', P .. 'o', ARGV[2])
if not v or struct.unpack('>d', v) <= now then return false end
return sub(v, 9)
