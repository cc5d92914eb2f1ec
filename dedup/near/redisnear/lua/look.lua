#!lua
-- look: find the stored Sim nearest to one, the oldest of several, and store it if there is none.
-- KEYS[1] bands  hash    number of a band, its two bytes -> the Sims that have it, 8 bytes each, oldest first
-- KEYS[2] texts  hash    Sim -> age, space, id of the text
-- KEYS[3] order  list    Sims, oldest first
-- KEYS[4] ages   string  age of the newest
-- ARGV[1] sim    8 bytes, the highest first
-- ARGV[2] most   Sims to keep; 0 = do not store
-- ARGV[3] id     of the text
-- returns {distance, id}, or {} if there was none
--@ near
local distance, of = near_look(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], tonumber(ARGV[2]), ARGV[3])
if distance then return {distance, of} end
return {}
