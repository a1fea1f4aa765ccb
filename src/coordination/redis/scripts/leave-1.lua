--[[
  Notes that a node is gone.

  KEYS[1]  beats

  ARGV[1]  node

  Output: 1 where it was known, else 0
]]
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return 1
