--[[
  Sets one field of a session, and makes none anew that has ended.

  KEYS[1]  session

  ARGV[1]  field
  ARGV[2]  value

  Output: 1; 0 where there is no such session
]]
if redis.call('HEXISTS', KEYS[1], 'session') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
