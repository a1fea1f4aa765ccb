--[[
  Gives tokens back to a bucket, which is full to begin with, and takes others. By this server's clock; one that goes back
  stands still.

  KEYS[1]  tokens

  ARGV[1]  tokens that it holds
  ARGV[2]  milliseconds in which so many are refilled
  ARGV[3]  tokens that are wanted
  ARGV[4]  tokens that come back

  Output: {tokens taken, milliseconds until there is one more; 0 where there were all}
]]
local capacity, want = tonumber(ARGV[1]), tonumber(ARGV[3])
local each = tonumber(ARGV[2]) / capacity
local clock = redis.call('TIME')
local now = clock[1] * 1000 + clock[2] / 1000
local stored = redis.call('HMGET', KEYS[1], 'count', 'at')
local count, at = tonumber(stored[1] or capacity), tonumber(stored[2] or now)
if now > at then
  count = count + (now - at) / each
  at = now
end
count = math.min(capacity, count + ARGV[4])
-- Sums of parts of a token come out a little short of a whole one.
local taken = math.max(0, math.min(want, math.floor(count + 1e-6)))
count = math.max(0, count - taken)
local full = math.ceil((capacity - count) * each)
if full == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'count', string.format('%.17g', count), 'at', string.format('%.17g', at))
  -- A clock that went back has to come to where it was first.
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', full + math.ceil(at - now) + 1000))
end
local wait = 0
if taken < want and count < 1 then
  wait = math.max(1, math.ceil((1 - count) * each))
end
return { taken, wait }
