--[[
  Notes up to where a connection was given a session's events.

  KEYS[1]  session

  ARGV[1]  sequence

  Output: 1 where that is further than before, else 0
]]
local known = redis.call('HMGET', KEYS[1], 'sequence', 'delivered')
local delivered = math.min(tonumber(ARGV[1]), tonumber(known[1] or 0))
if delivered <= tonumber(known[2] or 0) then
  return 0
end
redis.call('HSET', KEYS[1], 'delivered', string.format('%.0f', delivered))
return 1
