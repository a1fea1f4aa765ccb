--[[
  Puts off the end of a catalog and of the last check of its server.

  KEYS[1]  catalog
  KEYS[2]  last check of the server

  ARGV[1]  TTL, milliseconds

  Output: 1; 0 where one of them is gone
]]
local kept = redis.call('PEXPIRE', KEYS[1], ARGV[1])
if redis.call('PEXPIRE', KEYS[2], ARGV[1]) == 0 then
  return 0
end
return kept
