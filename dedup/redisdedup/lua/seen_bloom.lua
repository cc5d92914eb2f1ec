-- seen (bloom): fingerprints in a Bloom filter that grows.
--@ bloom
local seen_open, seen_close, seen_count, seen_info = bloom_open, bloom_close, bloom_count, bloom_info

-- seen_add records a fingerprint. 1: it was new, 0: it was seen, or looks so.
local seen_add = bloom_add

local function seen_has(fp) return bloom_has(fp) and 1 or 0 end

local seen_confirm = nil -- there is no other store
