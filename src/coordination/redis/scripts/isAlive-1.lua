--[[
  Tells whether a node is alive, by this server's clock.

  KEYS[1]  beats

  ARGV[1]  node

  Output: 1 or 0
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) > now then
  return 1
end
return 0
