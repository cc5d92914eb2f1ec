-- sweep: delete what the kinds keep, some keys a call. It needs call, M, P, min, and a prelude's open m.
-- m.gs, m.gl, m.gc  how far it came: sets, layer, chunk

-- seen_sweep deletes about budget keys, and returns false once nothing is left.
local function seen_sweep(budget)
  local s = call('HMGET', M, 'si', 'sp', 'gs', 'bn', 'gl', 'gc')
  local sets, from = 2 ^ tonumber(s[1] or 0) + tonumber(s[2] or 0), tonumber(s[3] or 0)
  if from < sets then
    local to = min(from + budget, sets)
    for i = from, to - 1 do call('UNLINK', P .. 's:' .. i) end
    call('HSET', M, 'gs', to)
    return true
  end
  local plan, layers = call('GET', P .. 'bp'), tonumber(s[4] or 0)
  local layer, chunk, i = tonumber(s[5] or 0), tonumber(s[6] or 0), 0
  if plan and layer < layers then
    for _, blocks in string.gmatch(plan, '(%d+) (%d+) %d+') do
      if i == layer then
        local chunks = math.ceil(tonumber(blocks) / 1023)
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
