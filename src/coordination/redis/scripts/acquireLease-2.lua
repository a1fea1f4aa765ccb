--[[
  Takes a lease that is free, or renews one's own. The token is above the last one and not below the clock, so it also
  rises when the last one is not known any more.

  KEYS[1]  lease
  KEYS[2]  fence

  ARGV[1]  node
  ARGV[2]  TTL, milliseconds
  ARGV[3]  for how long the token is remembered, milliseconds

  Output: {owner, token}
]]
local held = redis.call('HMGET', KEYS[1], 'owner', 'token')
if held[1] and held[1] ~= ARGV[1] then
  return held
end
local token = held[2]
if not token then
  local clock = redis.call('TIME')
  local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local last = tonumber(redis.call('GET', KEYS[2]) or 0)
  token = string.format('%.0f', math.max(last + 1, now))
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token)
end
redis.call('SET', KEYS[2], token, 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { ARGV[1], token }
