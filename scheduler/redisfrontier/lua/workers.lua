#!lua flags=allow-oom
-- workers: those heard of in time; the others are dropped.
-- ARGV[1] now  ms; 0 = the server's clock
-- returns what each says of itself
if not open() then return NOCRAWL end
local all, out = call('HGETALL', P .. 'workers'), {}
for i = 1, #all, 2 do
  if struct.unpack('>d', all[i + 1]) > now then
    out[#out + 1] = sub(all[i + 1], 9)
  else
    call('HDEL', P .. 'workers', all[i])
  end
end
return out
