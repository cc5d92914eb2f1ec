-- prelude: what every script of a filter begins with.
-- KEYS[1] m  hash  n fingerprints; state of the kind (see lua/seen_*.lua); fs what the filter is
-- KEYS[2] !  never exists. Two declared keys, of which one is missing, make a Redis Cluster answer TRYAGAIN
--            while the slot migrates, so no script ever runs on half a filter.
local call, unpack = redis.call, unpack
local sub, byte, floor, max, min = string.sub, string.byte, math.floor, math.max, math.min
local DIGITS = {[0] = '0', '1', '2', '3'} -- concatenating numbers takes Lua as long as adding to a set
local M, P = KEYS[1], sub(KEYS[1], 1, -2)
local state = call('HMGET', M, 'n', 'sn', 'bn', 'ba', 'cn') -- each call that all scripts make counts
if not state[1] then return {err = 'NOFILTER the filter does not exist (any more)'} end
local count = tonumber(state[1])
