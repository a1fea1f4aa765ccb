--[[
  Notes when sessions are forgotten unless they are used. One that is noted stays as it is: that it was used meanwhile is
  found out when its time has come. Both keys live at least as long as these sessions.

  KEYS[1]  index of sessions
  KEYS[2]  list of sessions

  ARGV[1]  milliseconds until then
  ARGV[2]  how many entries of the list follow
  ARGV[3…] these entries, then sessions

  Output: how many sessions were not noted yet
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local at = string.format('%.0f', now + ARGV[1])
local listed = tonumber(ARGV[2])
for i = 3, 2 + listed do
  redis.call('ZADD', KEYS[2], 0, ARGV[i])
end
local entries = {}
for i = 3 + listed, #ARGV do
  table.insert(entries, at)
  table.insert(entries, ARGV[i])
end
local added = redis.call('ZADD', KEYS[1], 'NX', unpack(entries))
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[1]) then
    redis.call('PEXPIRE', key, ARGV[1])
  end
end
return added
