#!lua flags=allow-oom
-- check: recount everything.
-- returns the broken invariants in words
--@ prelude
--@ seen
local broken = {}
seen_open(count, state[2], state[3], state[4])
seen_count(function(what, is, should)
  if is ~= should then broken[#broken + 1] = what .. ': ' .. tostring(is) .. ', should be ' .. tostring(should) end
end, count)
return broken
