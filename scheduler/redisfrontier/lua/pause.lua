#!lua flags=allow-oom
-- pause: stop handing out tasks, or go on.
-- ARGV[1] now  ms; 0 = the server's clock
-- ARGV[2] 1 = pause, 0 = go on
-- returns 1
if not open() then return NOCRAWL end
if ARGV[2] == '1' then
  call('HSET', M, 'z', 1)
else
  call('HDEL', M, 'z')
  waiting = NEVER -- nobody could register while the crawl was paused
  notify(0)
end
return 1
