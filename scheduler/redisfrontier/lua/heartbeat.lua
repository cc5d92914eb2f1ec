#!lua flags=allow-oom
-- heartbeat: register a worker, or renew it.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] id of the worker
-- ARGV[3] what it says of itself
-- ARGV[4] gone after so many ms
-- returns 1
if not open() then return NOCRAWL end
call('HSET', P .. 'workers', ARGV[2], struct.pack('>d', now + ARGV[4]) .. ARGV[3])
return 1
