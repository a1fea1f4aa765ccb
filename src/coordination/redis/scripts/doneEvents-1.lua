--[[
  Takes entries out of the event log that are stored.

  KEYS[1]  event log

  ARGV[1]  group of readers
  ARGV[2…] entries

  Output: how many there were
]]
local count = 0
for i = 2, #ARGV do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  count = count + redis.call('XDEL', KEYS[1], ARGV[i])
end
return count
