#!lua flags=allow-oom
-- leave: remove a worker.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] id of the worker
-- returns 1 if it was registered
if not open() then return NOCRAWL end
return call('HDEL', P .. 'workers', ARGV[2])
