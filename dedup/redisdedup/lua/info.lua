#!lua flags=allow-oom
-- info: how the filter stands.
-- returns {n, what seen_info says}
--@ prelude
--@ seen
seen_open(count, state[2], state[3], state[4])
return {count, seen_info()}
