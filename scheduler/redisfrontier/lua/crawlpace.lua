#!lua flags=allow-oom
-- crawlpace: change the pace of all hosts that have none of their own.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] delay, ms
-- ARGV[3] concurrency
-- returns 1
--@ hosts
--@ tasks
--@ leases
if not open() then return NOCRAWL end
-- Another concurrency changes the place of hosts with leases only: any host may have one.
local leases, busy = call('HGETALL', T), {}
for i = 1, #leases, 2 do busy[#busy + 1] = read_lease(leases[i], leases[i + 1]) end
local hosts = group(busy)
crawl_delay, crawl_concurrency = tonumber(ARGV[2]), tonumber(ARGV[3])
call('HSET', M, 'pd', crawl_delay, 'pc', crawl_concurrency)
notify(save(hosts))
return 1
