#!lua flags=allow-oom
-- stats: the counters of the partition.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] duplicates to count that the client recognised by itself
-- returns {{p, l, d, s, y, x, g, n, u, k, r, e, b, i, j, ni}, {outcome, count, ...}}
if not open() then return NOCRAWL end
count('u', tonumber(ARGV[2]))
return {call('HMGET', M, 'p', 'l', 'd', 's', 'y', 'x', 'g', 'n', 'u', 'k', 'r', 'e', 'b', 'i', 'j', 'ni'), call('HGETALL', P .. 'c')}
