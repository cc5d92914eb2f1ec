-- leases: who holds which tasks until when.
-- t   hash  token -> claimed at (8, ms), deadline (8, ms), claim (8), level, length of host (1), length of worker (1), host,
--           worker, element. The claim is the token of the first lease of the same call; the others follow it one by one.
-- l   zset  claim -> a time at which its leases must be looked at: none of them has an earlier deadline. One entry for all
--           leases of a call costs less than one for each; when some were extended, the others' time is found by looking.
-- lc  hash  claim -> number of its leases that are held; not there if it was a single one
local T, L, LC = P .. 't', P .. 'l', P .. 'lc'

-- lease_head is what stands before the element.
local function lease_head(deadline, claim, level, host, worker)
  return struct.pack('>dddc1BB', now, deadline, claim, level, #host, #worker) .. host .. worker
end

-- read_lease reads what a finished lease is needed for, read_task the rest.
local function read_lease(token, r)
  local claimed, deadline, claim, level, h, w = struct.unpack('>dddc1BB', r)
  return {token = token, raw = r, claimed = claimed, deadline = deadline, claim = claim, level = level,
    host = sub(r, 28, 27 + h), task = 28 + h + w, s = false} -- room for its host; see group
end

local function with_deadline(l, deadline) return sub(l.raw, 1, 8) .. struct.pack('>d', deadline) .. sub(l.raw, 17) end

local function read_task(l)
  l.worker, l.element = sub(l.raw, 28 + #l.host, l.task - 1), sub(l.raw, l.task)
  return l
end

-- held returns the leases of the tokens, in order; false stands for those that are over.
local function held(tokens)
  local leases = call('HMGET', T, unpack(tokens))
  for i = 1, #tokens do
    local l = leases[i] and read_lease(tokens[i], leases[i])
    leases[i] = l and l.deadline > now and l
  end
  return leases
end

-- end_leases removes leases, as many as a script may look at. Their hosts are the caller's.
local function end_leases(leases)
  local tokens, claims, ended = {}, {}, {}
  for i = 1, #leases do
    local l = leases[i]
    tokens[i] = l.token
    if not ended[l.claim] then claims[#claims + 1] = format('%d', l.claim) end
    ended[l.claim] = (ended[l.claim] or 0) + 1
  end
  if #tokens == 0 then return end
  local held, over, counted, left = call('HMGET', LC, unpack(claims)), {}, {}, {}
  for i = 1, #claims do
    local rest = (held[i] or 1) - ended[tonumber(claims[i])]
    if rest > 0 then
      add(left, claims[i], rest)
    else
      over[#over + 1] = claims[i]
      if held[i] then counted[#counted + 1] = claims[i] end
    end
  end
  each_chunk('HDEL', T, tokens)
  each_chunk('ZREM', L, over)
  each_chunk('HDEL', LC, counted)
  each_chunk('HSET', LC, left)
end
