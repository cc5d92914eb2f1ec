#!lua flags=allow-oom
-- relevel: move the queued tasks of one level of hosts behind those of another, a bounded number a call.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] from level
-- ARGV[3] to level
-- ARGV[4] tasks to move in one call at most, but for queues that are moved as a whole
-- ARGV[5..] per host, at most 1000: host, number of tasks to be moved (-1: all there are now)
-- returns per host: number moved, number left to be moved
--@ hosts
if not open() then return NOCRAWL end
local from, to, budget = ARGV[2], ARGV[3], tonumber(ARGV[4])
local names, out = {}, {}
for i = 5, #ARGV, 2 do names[#names + 1] = ARGV[i] end
local hosts = load(names)
for i = 1, #hosts do
  local s, wanted, moved = hosts[i], tonumber(ARGV[4 + 2 * i]), 0
  local source, target = queue(s.name, from), queue(s.name, to)
  local there = call('LLEN', source)
  if wanted < 0 or wanted > there then wanted = there end
  if wanted > 0 and wanted == there and not find(s.levels, to, 1, true) then
    call('RENAME', source, target)
    moved = wanted
  else
    moved = min(wanted, budget)
    budget = budget - moved
    for _ = 1, moved do call('LMOVE', source, target, 'LEFT', 'RIGHT') end
  end
  if moved > 0 then
    add_level(s, to)
    if moved == there then s.levels = string.gsub(s.levels, from, '') end
  end
  add(out, moved, wanted - moved)
end
save(hosts)
return out
