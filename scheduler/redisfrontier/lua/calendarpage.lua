#!lua flags=allow-oom
-- calendarpage: a page of the tasks that wait for a revisit: slot by slot, earliest first.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] slot to go on with, or the minute from which the next begins; empty = from the beginning
-- ARGV[3] entries of it that were told
-- ARGV[4] the fingerprint of the last of them; empty: none was
-- ARGV[5] entries wanted at most
-- returns {slot (empty: there is none), the minute after it, its minutes, 1 if it is told to its end, 1 if what was told of it
--          has moved: it is told from its beginning; then per task: minute, level, host, plan without its head}
--@ hosts
--@ calendar
if not open() then return NOCRAWL end
local off, last, wanted = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local MAXBYTES = 1024 * 1024
local from = ARGV[2] == '' and '-inf' or format('%.0f', read_slot(ARGV[2]) * 60000)
local slot = call('ZRANGEBYSCORE', WI, from, '+inf', 'LIMIT', 0, 1)[1]
if not slot then return {'', 0, 0, 1, 0} end
local first, length = read_slot(slot)
local key, moved = P .. 'w:' .. slot, 0
if slot ~= ARGV[2] then
  off = 0
elseif off > 0 then
  local r = call('LINDEX', key, off - 1)
  if not r or sub(select(3, read_plan(r)), 1, 8) ~= last then off, moved = 0, 1 end
end
local out, bytes, ended = {slot, first + length, length, 0, moved}, 0, false
while wanted > 0 and bytes < MAXBYTES and not ended do
  local list = call('LRANGE', key, off, off + min(wanted, 50) - 1)
  for i = 1, #list do
    local n, level, host, rest = #out, read_plan(list[i])
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = minute_of(list[i], first), level, host, rest
    bytes = bytes + #list[i]
  end
  ended = #list < min(wanted, 50)
  off, wanted = off + #list, wanted - #list
end
out[4] = ended and 1 or 0
return out
