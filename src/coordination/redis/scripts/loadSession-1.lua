--[[
  Reads a session, notes that a node has it, and puts off its end.

  KEYS[1]  session

  ARGV[1]  field of the node
  ARGV[2]  TTL, milliseconds

  Output: fields and values in turn; nil where there is no such session
]]
if redis.call('HEXISTS', KEYS[1], 'session') == 0 then
  return nil
end
redis.call('HSET', KEYS[1], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('HGETALL', KEYS[1])
