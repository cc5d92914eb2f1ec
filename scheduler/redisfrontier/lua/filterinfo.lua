#!lua flags=allow-oom
-- filterinfo: how the filter of the partition stands.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns {fingerprints, what seen_info says}
--@ seen
if not open() then return NOCRAWL end
seen_open(state[8] or 0, state[12], state[13], state[14])
return {tonumber(state[8] or 0), seen_info()}
