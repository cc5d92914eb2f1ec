#!lua flags=allow-oom
-- heartbeat: register a worker, or renew it.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] id of the worker
-- ARGV[3] what it says of itself
-- ARGV[4] gone after so many ms
-- returns the number of workers
if not open() then return NOCRAWL end
call('HSET', P .. 'workers', ARGV[2], struct.pack('>d', now + ARGV[4]) .. ARGV[3])
-- Each heartbeat looks at a few others and drops the dead.
local some = call('HRANDFIELD', P .. 'workers', 4)
for i = 1, #some do
  local head = call('HGET', P .. 'workers', some[i])
  if struct.unpack('>d', head) <= now then call('HDEL', P .. 'workers', some[i]) end
end
return call('HLEN', P .. 'workers')
