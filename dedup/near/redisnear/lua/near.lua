-- near: the index of near texts, as a function of its four keys; see look.lua.

-- near_look returns the distance and the id of the stored Sim nearest to sim, the oldest of several; nil if there is none within
-- three bits, and then stores it under id, unless most, the Sims to keep, is 0.
local function near_look(bands, texts, order, ages, sim, most, id)
  local call, unpack4, xor, band = redis.call, struct.unpack, bit.bxor, bit.band
  local MAX = 3

  local function fields(s)
    return '0' .. s:sub(1, 2), '1' .. s:sub(3, 4), '2' .. s:sub(5, 6), '3' .. s:sub(7, 8)
  end

  -- ones counts the bits that are set in x, and stops beyond MAX.
  local function ones(x)
    local n = 0
    while x ~= 0 and n <= MAX do
      x = band(x, x - 1)
      n = n + 1
    end
    return n
  end

  local function text(s)
    local value = call('HGET', texts, s)
    local space = value:find(' ', 1, true)
    return tonumber(value:sub(1, space - 1)), value:sub(space + 1)
  end

  if call('HEXISTS', texts, sim) == 1 then
    local _, of = text(sim)
    return 0, of
  end

  local high, low = unpack4('>I4I4', sim)
  local nearest, distance
  for _, shared in ipairs(call('HMGET', bands, fields(sim))) do
    for at = 1, shared and #shared or 0, 8 do
      local h, l = unpack4('>I4I4', shared, at)
      local d = ones(xor(h, high))
      if d <= MAX then d = d + ones(xor(l, low)) end
      if d <= MAX and (not distance or d <= distance) then
        local other = shared:sub(at, at + 7)
        if not distance or d < distance or text(other) < text(nearest) then
          nearest, distance = other, d
        end
      end
    end
  end
  if nearest then
    local _, of = text(nearest)
    return distance, of
  end
  if most == 0 then return nil end

  -- Room is made for the new one, and for a few more if the limit was lowered.
  for _ = 1, math.min(10, call('LLEN', order) + 1 - most) do
    local oldest = call('LPOP', order)
    call('HDEL', texts, oldest)
    for _, field in ipairs({fields(oldest)}) do
      local rest = call('HGET', bands, field):sub(9)
      if rest == '' then call('HDEL', bands, field) else call('HSET', bands, field, rest) end
    end
  end
  call('RPUSH', order, sim)
  call('HSET', texts, sim, call('INCR', ages) .. ' ' .. id)
  for _, field in ipairs({fields(sim)}) do
    call('HSET', bands, field, (call('HGET', bands, field) or '') .. sim)
  end
  return nil
end
