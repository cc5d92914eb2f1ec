#!lua flags=allow-oom
-- duplicates: what came of comparing pages, in partition 0.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns {originals kept, {path, count, ...}}: the empty path stands for the crawl; see compare.lua for a count
if not open() then return NOCRAWL end
return {call('LLEN', P .. 'co') + call('LLEN', P .. 'no'), call('HGETALL', P .. 'cp')}
