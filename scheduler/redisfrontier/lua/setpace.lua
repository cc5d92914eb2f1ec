#!lua flags=allow-oom
-- setpace: give a host a pace of its own, or the crawl's again.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] host
-- ARGV[3] delay, ms; empty = the crawl's
-- ARGV[4] concurrency; empty = the crawl's
-- returns the ms from which the host may be served because of it (-1: it could be before, or has no tasks)
--@ hosts
if not open() then return NOCRAWL end
local s = load({ARGV[2]})[1]
s.delay = tonumber(ARGV[3]) or CRAWLS_DELAY
s.concurrency = tonumber(ARGV[4]) or CRAWLS_CONCURRENCY
local due = save({s})
notify(due)
return due == NEVER and -1 or due
