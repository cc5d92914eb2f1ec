#!lua flags=allow-oom
-- purge: delete a filter, one bounded step a call.
-- ARGV[1] keys to delete in one step, about
-- returns 1 if nothing is left, 0 if there is more to do
--@ prelude
--@ sweep
if seen_sweep(tonumber(ARGV[1])) then return 0 end
call('DEL', M)
return 1
