--[[
  Notes when sessions are forgotten unless they are used. One that is noted stays as it is: that it was used meanwhile is
  found out when its time has come.

  KEYS[1]  index of sessions

  ARGV[1]  milliseconds until then
  ARGV[2…] sessions

  Output: how many were not noted yet
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local at = string.format('%.0f', now + ARGV[1])
local entries = {}
for i = 2, #ARGV do
  table.insert(entries, at)
  table.insert(entries, ARGV[i])
end
local added = redis.call('ZADD', KEYS[1], 'NX', unpack(entries))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return added
