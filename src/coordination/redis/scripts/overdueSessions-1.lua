--[[
  Lists sessions that may be forgotten soon, those first that are the first.

  KEYS[1]  index of sessions

  ARGV[1]  how soon, milliseconds
  ARGV[2]  how many at most

  Output: {milliseconds since the epoch, sessions}
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local soon = string.format('%.0f', now + ARGV[1])
return {
  string.format('%.0f', now),
  redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', soon, 'LIMIT', 0, ARGV[2]),
}
