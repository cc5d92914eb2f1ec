#!lua flags=allow-oom
-- dead: a page of the dead letters or the dead links.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] x = dead letters, g = dead links
-- ARGV[3] index of the first
-- ARGV[4] index of the last
-- returns the letters as tasks.lua writes them
if not open() then return NOCRAWL end
return call('LRANGE', P .. ARGV[2], ARGV[3], ARGV[4])
