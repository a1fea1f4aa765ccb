--[[
  Notes that nobody holds the connection of a session's stream, unless it has been taken again.

  KEYS[1]  session

  ARGV[1]  takes as they were when it was taken

  Output: 1 where it was held, else 0
]]
if redis.call('HGET', KEYS[1], 'takes') ~= ARGV[1] then
  return 0
end
return redis.call('HDEL', KEYS[1], 'holder')
