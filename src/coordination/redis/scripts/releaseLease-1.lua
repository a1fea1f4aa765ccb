--[[
  Ends a lease, where it is still this one. Its token stays remembered.

  KEYS[1]  lease

  ARGV[1]  owner
  ARGV[2]  token

  Output: 1; 0 where it was lost
]]
local held = redis.call('HMGET', KEYS[1], 'owner', 'token')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return 0
end
return redis.call('DEL', KEYS[1])
