#!lua flags=allow-oom
-- check: recount everything.
-- returns the broken invariants in words
--@ prelude
--@ seen
local broken = {}
seen_open()
seen_count(function(what, is, should)
  if is ~= should then broken[#broken + 1] = what .. ': ' .. tostring(is) .. ', should be ' .. tostring(should) end
end, tonumber(call('HGET', M, 'n') or 0))
return broken
