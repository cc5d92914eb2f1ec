#!lua flags=allow-oom
-- info: how the filter stands.
-- returns {n, what seen_info says}
--@ prelude
--@ seen
seen_open()
return {tonumber(call('HGET', M, 'n') or 0), seen_info()}
