-- sweep: delete what the kinds keep, some keys a call. It needs call, M, P, min, and a prelude's open m.
-- m.gs, m.gl, m.gc  how far it came: sets, layer, chunk

-- seen_sweep deletes about budget keys, and returns false once nothing is left.
local function seen_sweep(budget)
  local s = call('HMGET', M, 'sn', 'gs', 'bn', 'gl', 'gc', 'si', 'sp')
  local first, beyond, chunk_blocks = tonumber(s[1] or 0), 2 * tonumber(s[1] or 0), nil
  if s[6] then -- of before schema 5
    first, beyond, chunk_blocks = 0, 2 ^ tonumber(s[6]) + tonumber(s[7]), 1023
  end
  local from = tonumber(s[2] or first)
  if from < beyond then
    local to = min(from + budget, beyond)
    for i = from, to - 1 do call('UNLINK', P .. 's:' .. i) end
    call('HSET', M, 'gs', to)
    return true
  end
  local plan, layers = call('GET', P .. 'bp'), tonumber(s[3] or 0)
  local layer, chunk, i = tonumber(s[4] or 0), tonumber(s[5] or 0), 0
  if plan and layer < layers then
    for _, blocks, hashes in string.gmatch(plan, '(%d+) (%d+) (%d+)') do
      if i == layer then
        local chunks = math.ceil(tonumber(blocks) / (chunk_blocks or math.floor(65472 / (6 * tonumber(hashes)))))
        local to = min(chunk + budget, chunks)
        for c = chunk, to - 1 do call('UNLINK', P .. 'b:' .. layer .. ':' .. c) end
        if to == chunks then call('HSET', M, 'gl', layer + 1, 'gc', 0) else call('HSET', M, 'gc', to) end
        return true
      end
      i = i + 1
    end
  end
  call('UNLINK', P .. 's', P .. 'bp', P .. 'u')
  return false
end
