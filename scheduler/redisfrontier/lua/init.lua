#!lua
-- init: create the partition, if it is not there.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] version of the schema
-- ARGV[3] delay of the crawl, ms
-- ARGV[4] concurrency of the crawl
-- ARGV[5] layers of a Bloom filter, for bp; empty: none
-- ARGV[6] sets of integers that the filter begins with
-- returns 1 if it was created
if open() then return 0 end
call('HSET', M, 'v', ARGV[2], 'pd', ARGV[3], 'pc', ARGV[4], 'sn', ARGV[6], 'bn', 1, 'ba', 0)
if ARGV[5] ~= '' then call('SET', P .. 'bp', ARGV[5]) end
return 1
