--[[
  Takes the connection of a session's stream from a node, where the node still has it.

  KEYS[1]  session

  ARGV[1]  node

  Output: 1 where it had it, else 0
]]
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then
  return 0
end
return redis.call('HDEL', KEYS[1], 'holder')
