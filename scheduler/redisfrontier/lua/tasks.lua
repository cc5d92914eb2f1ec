-- tasks: how a task is written down.
--   element of a queue  attempts (1 byte, 0 at first), expired (1 byte), when it first failed or expired (4, s; only
--                       if either of the two is not 0), fingerprint (8), payload
--   record              level (1 hex digit), length of host (1), host, element: in d, k:*
local function record(level, host, element) return level .. char(#host) .. host .. element end

local function read_record(r)
  local n = byte(r, 2)
  return sub(r, 1, 1), sub(r, 3, 2 + n), sub(r, 3 + n)
end

-- body is where the fingerprint stands in an element.
local function body(element) return byte(element, 1) + byte(element, 2) > 0 and 7 or 3 end

-- stamp returns the element with other numbers of attempts and expiries.
local function stamp(element, attempts, expired)
  local from = body(element)
  local head = char(min(attempts, 255), min(expired, 255))
  if attempts + expired > 0 then
    head = head .. (from == 7 and sub(element, 3, 6) or struct.pack('>I', min(floor(now / 1000), 4294967295)))
  end
  return head .. sub(element, from)
end

-- group loads the hosts of the entries (tables with field host) and gives each entry its record as s.
local function group(entries)
  local names, at = {}, {}
  for i = 1, #entries do
    local h = entries[i].host
    if not at[h] then
      names[#names + 1] = h
      at[h] = #names
    end
  end
  local hosts = {}
  for i = 1, #names, 1000 do
    local part = load({unpack(names, i, min(i + 999, #names))})
    for j = 1, #part do hosts[#hosts + 1] = part[j] end
  end
  for i = 1, #entries do entries[i].s = hosts[at[entries[i].host]] end
  return hosts
end

-- enqueue appends the element to the queue of its host and level; in front if told.
local function enqueue(s, level, element, front)
  call(front and 'LPUSH' or 'RPUSH', queue(s.name, level), element)
  s.pending = s.pending + 1
  add_level(s, level)
end

-- letters are kept with their reason: a dead letter in x, a dead link in g, the newest 10000 of each. Those that made
-- room are counted. A letter is
--   at (8, ms), status (2), attempts (1), expired (1), first (4, s; 0: never), level, length of host (1), host,
--   length of why (2), why, fingerprint (8), payload
local function bury(key, lease, why, status)
  local attempts, expired = byte(lease.element, 1, 2)
  local from = body(lease.element)
  local first = from == 7 and sub(lease.element, 3, 6) or '\0\0\0\0'
  local n = call('RPUSH', P .. key, struct.pack('>dHBB', now, status, attempts, expired) .. first .. lease.level ..
    char(#lease.host) .. lease.host .. struct.pack('>H', #why) .. why .. sub(lease.element, from))
  if n > 10000 then
    call('LTRIM', P .. key, -10000, -1)
    call('HINCRBY', M, key .. 't', n - 10000)
  end
end

-- read_letter returns the parts of a letter; task is fingerprint and payload.
local function read_letter(r)
  local h = byte(r, 18)
  local w = struct.unpack('>H', r, 19 + h)
  return {at = struct.unpack('>d', r), status = struct.unpack('>H', r, 9), level = sub(r, 17, 17), host = sub(r, 19, 18 + h),
    why = sub(r, 21 + h, 20 + h + w), task = sub(r, 21 + h + w)}
end
