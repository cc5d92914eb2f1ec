-- leases: who holds which tasks until when.
-- t   hash  token -> claimed at (8, ms), deadline (8, ms), claim (8), level, length of host (1), length of worker (1), host,
--           worker, element. The claim is the token of the first lease of the same call; the others follow it one by one.
-- l   zset  claim -> a time at which its leases must be looked at: none of them has an earlier deadline. One entry for all
--           leases of a call costs less than one for each; when some were extended, the others' time is found by looking.
-- lc  hash  claim -> number of its leases that are held
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

-- end_leases removes leases. Their hosts are the caller's.
local function end_leases(leases)
  local tokens, ended = {}, {}
  for i = 1, #leases do
    local l = leases[i]
    tokens[i] = l.token
    ended[l.claim] = (ended[l.claim] or 0) + 1
  end
  each_chunk('HDEL', T, tokens)
  for claim, n in pairs(ended) do
    claim = format('%d', claim)
    if call('HINCRBY', LC, claim, -n) == 0 then
      call('HDEL', LC, claim)
      call('ZREM', L, claim)
    end
  end
end
