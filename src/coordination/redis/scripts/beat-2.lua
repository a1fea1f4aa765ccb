--[[
  Notes that a node is alive, by this server's clock, and forgets nodes that have long been gone.

  KEYS[1]  members
  KEYS[2]  beats

  ARGV[1]  node
  ARGV[2]  how it describes itself, JSON
  ARGV[3]  for how long that counts, milliseconds
  ARGV[4]  for how long a node that is gone is listed, milliseconds

  Output: milliseconds since the epoch
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])
local old = string.format('%.0f', now - ARGV[4])
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', old)) do
  redis.call('HDEL', KEYS[1], node)
  redis.call('ZREM', KEYS[2], node)
end
-- When the last node has stopped, nothing is left behind.
redis.call('PEXPIRE', KEYS[1], ARGV[3] + ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[3] + ARGV[4])
return string.format('%.0f', now)
