--[[
  Renews a lease, where it is still this one.

  KEYS[1]  lease

  ARGV[1]  owner
  ARGV[2]  token
  ARGV[3]  TTL, milliseconds

  Output: 1; 0 where it is lost
]]
local held = redis.call('HMGET', KEYS[1], 'owner', 'token')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
