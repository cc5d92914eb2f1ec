#!lua flags=allow-oom
-- unpark: queue tasks parked under a label.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] label
-- ARGV[3] at most so many, at most 1000
-- returns the number of tasks queued
--@ hosts
--@ tasks
if not open() then return NOCRAWL end
local list = call('LPOP', P .. 'k:' .. ARGV[2], ARGV[3]) or {}
if #list == 0 then return 0 end
local entries = {}
for i = 1, #list do
  local e = {}
  e.level, e.host, e.element = read_record(list[i])
  entries[i] = e
end
local hosts = group(entries)
for i = 1, #entries do enqueue(entries[i].s, entries[i].level, entries[i].element) end
local due = save(hosts)
if call('HINCRBY', P .. 'kl', ARGV[2], -#list) == 0 then call('HDEL', P .. 'kl', ARGV[2]) end
count('y', -#list, 'p', #list, 'a', #list)
notify(due)
return #list
