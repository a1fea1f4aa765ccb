--[[
  Tells whether a node is alive, by this server's clock.

  KEYS[1]  beats

  ARGV[1]  node
  ARGV[2]  milliseconds since the epoch, where it is to be told for then and not for now

  Output: 1 or 0; for then, a node that is not known any more counts as alive
]]
local alive = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not alive then
  return ARGV[2] and 1 or 0
end
local clock = redis.call('TIME')
local at = tonumber(ARGV[2] or clock[1] * 1000 + math.floor(clock[2] / 1000))
return tonumber(alive) > at and 1 or 0
