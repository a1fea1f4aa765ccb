--[[
  Stores a new session.

  KEYS[1]  session

  ARGV[1]  record, JSON
  ARGV[2]  field of the node that opened it
  ARGV[3]  TTL, milliseconds

  Output: 1
]]
redis.call('HSET', KEYS[1], 'session', ARGV[1], ARGV[2], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
