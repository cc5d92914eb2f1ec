#!lua flags=allow-oom
-- parked: the labels under which tasks are parked.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns {label, number of tasks, ...}
if not open() then return NOCRAWL end
return call('HGETALL', P .. 'kl')
