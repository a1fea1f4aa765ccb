--[[
  Lists nodes, those that are gone included.

  KEYS[1]  members
  KEYS[2]  beats

  Output: {milliseconds since the epoch, nodes and descriptions in turn, nodes and the time they are alive until in turn}
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return {
  string.format('%.0f', now),
  redis.call('HGETALL', KEYS[1]),
  redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'),
}
