#!lua flags=allow-oom
-- finish: apply a verdict to each lease that is still held.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] duplicates to count that the client recognised by itself
-- ARGV[3..] per result: token, verdict, number, text, outcome, figures
--           verdict  d done, y retry (number: after ms), v revisit (number: at ms), Y and V the same (text: payload that
--                    takes the place of the task's), r release, x drop (text: why), g gone (text: why), k park (text: label)
--           figures  ms from claim to request (4 bytes), status (2), items (4), bytes (8, float), sums (8 each, float);
--                    empty = zeros
--           Results that release are given from the youngest lease to the oldest.
-- returns {a string with 1 for each result that took effect and 0 for each lost one,
--          the ms from which there may be work because of them (-1: none), 1 if the partition has no work left}
--@ hosts
--@ tasks
--@ leases
--@ calendar
--@ sums
if not open() then return NOCRAWL end
local tokens = {}
for i = 3, #ARGV, 6 do tokens[#tokens + 1] = ARGV[i] end
local leases, effects, ended, seen = held(tokens), {}, {}, {}
for i = 1, #tokens do
  local l = leases[i]
  if l and not seen[l.token] then
    seen[l.token] = true
    effects[i] = 1
    l.arg = 6 * i - 3
    ended[#ended + 1] = l
  else
    effects[i] = 0
  end
end
if #ended == 0 then
  count('u', tonumber(ARGV[2]))
  return {table.concat(effects), -1, 0}
end

local hosts, done, retried, delayed, scheduled, released, parked, dead, gone = group(ended), 0, 0, 0, 0, 0, 0, 0, 0
local items, bytes, outcomes, due = 0, 0, {}, NEVER
for i = 1, #ended do
  local l = ended[i]
  local s, a = l.s, l.arg
  local verdict, number, text, outcome, figures = ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]
  local status = 0
  s.inflight = s.inflight - 1
  if figures ~= '' then
    local sent, st, it, by = struct.unpack('>IHId', figures)
    status, items, bytes = st, items + it, bytes + by
    if #figures > 18 then tally(l.host, figures, 19) end
    if sent > 0 and delay(s) > 0 then s.next = max(s.next, l.claimed + sent + delay(s)) end
  end
  if outcome ~= '' then outcomes[outcome] = (outcomes[outcome] or 0) + 1 end
  if verdict ~= 'd' then read_task(l) end
  if verdict == 'V' or verdict == 'Y' then
    l.element = sub(l.element, 1, body(l.element) + 7) .. text
    verdict = string.lower(verdict)
  end
  if verdict == 'd' then
    done = done + 1
  elseif verdict == 'y' then
    local at = now + max(0, tonumber(number))
    local attempts, expired = byte(l.element, 1, 2)
    call('ZADD', P .. 'd', at, struct.pack('>d', l.token) .. record(l.level, l.host, stamp(l.element, attempts + 1, expired)))
    due = min(due, at)
    retried = retried + 1
  elseif verdict == 'v' then
    local minute = math.ceil(max(0, tonumber(number)) / 60000)
    plan(minute, l.level, l.host, sub(l.element, body(l.element)))
    due = min(due, minute * 60000)
    scheduled = scheduled + 1
  elseif verdict == 'r' then
    enqueue(s, l.level, l.element, true)
    released = released + 1
  elseif verdict == 'k' then
    call('RPUSH', P .. 'k:' .. text, record(l.level, l.host, l.element))
    call('HINCRBY', P .. 'kl', text, 1)
    parked = parked + 1
  elseif verdict == 'x' then
    bury('x', l, text, status)
    dead = dead + 1
  else
    bury('g', l, text, status)
    gone = gone + 1
  end
end
end_leases(ended)
due = min(due, save(hosts))
save_sums()
if scheduled > 0 then grow(tonumber(state[11] or 0) + scheduled) end
count('u', tonumber(ARGV[2]), 'l', -#ended, 'k', done + scheduled + dead + gone, 'd', retried, 'r', retried,
  's', scheduled, 'p', released, 'y', parked, 'x', dead, 'g', gone, 'a', retried + released, 'i', items, 'j', bytes)
for outcome, n in pairs(outcomes) do call('HINCRBY', P .. 'c', outcome, n) end
call('HSET', M, 't', now)
notify(due)
local left = call('HMGET', M, 'p', 'l', 'd')
local empty = tonumber(left[1] or 0) + tonumber(left[2] or 0) + tonumber(left[3] or 0) == 0
return {table.concat(effects), due == NEVER and -1 or due, empty and 1 or 0}
