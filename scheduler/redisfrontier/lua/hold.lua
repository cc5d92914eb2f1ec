#!lua flags=allow-oom
-- hold: hand out nothing of a host before a time.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] host
-- ARGV[3] until, ms
-- returns 1 if the host is held longer than before
--@ hosts
if not open() then return NOCRAWL end
local s = load({ARGV[2]})[1]
local before = max(s.next, now)
s.next = max(s.next, tonumber(ARGV[3]))
save({s})
return s.next > before and 1 or 0
