#!lua flags=allow-oom
-- hostlist: a page of the hosts with tasks.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] cursor; 0 = the beginning
-- ARGV[3] only those with tasks of this level queued; empty = all
-- returns {cursor of the next page (0: there is none), then per host: host, next, inflight, pending, delay, concurrency,
--          1 if the pace is its own}
--@ hosts
if not open() then return NOCRAWL end
local page = call('HSCAN', H, ARGV[2], 'COUNT', 200)
local out = {page[1]}
for i = 1, #page[2], 2 do
  local next_at, inflight, pending, d, c = struct.unpack('>dIIIH', page[2][i + 1])
  local s = {delay = d, concurrency = c}
  if inflight + pending > 0 and find(page[2][i + 1], ARGV[3], 23, true) then
    local own = (d ~= CRAWLS_DELAY or c ~= CRAWLS_CONCURRENCY) and 1 or 0
    for _, v in ipairs({page[2][i], next_at, inflight, pending, delay(s), concurrency(s), own}) do out[#out + 1] = v end
  end
end
return out
