-- seen (set): fingerprints as decimal numbers in one plain set s: what redis-cli shows.
-- Included by scripts whose prelude gives call, unpack, M, P, byte, sub, floor, min, max.
local SEEN_ARGS = 1
local seen_key = P .. 's'

local function seen_open() end

-- seen_add records a fingerprint. 1: it was new, 0: it was seen.
local function seen_add(fp) return call('SADD', seen_key, fp) end

local function seen_has(fp) return call('SISMEMBER', seen_key, fp) end

local function seen_told() return '' end

-- seen_close ends what was begun by seen_open; fresh is how many seen_add called new.
local function seen_close() end

-- seen_count counts anew, and names what is wrong.
local function seen_count(expect, n) expect('counter of the seen', n, call('SCARD', seen_key)) end

-- seen_info returns {bytes, ...} for Stats.
local function seen_info() return {call('MEMORY', 'USAGE', seen_key) or 0} end

local seen_confirm = nil -- there is no other store
