--[[
  Stores a recording, or another end of it.

  KEYS[1]  recordings

  ARGV[1]  id
  ARGV[2]  the recording, JSON
  ARGV[3]  for how long recordings are kept at least, milliseconds
  ARGV[4…] recordings that are to be forgotten

  Output: 1
]]
if #ARGV > 3 then
  redis.call('HDEL', KEYS[1], unpack(ARGV, 4))
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
