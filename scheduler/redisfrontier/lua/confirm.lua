#!lua flags=allow-oom
-- confirm: fingerprints are in the filter's other store.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2..] fingerprints, 8 bytes each
-- returns 1
--@ seen
if not open() then return NOCRAWL end
local fps = {}
for i = 2, #ARGV do fps[i - 1] = ARGV[i] end
seen_confirm(fps)
return 1
