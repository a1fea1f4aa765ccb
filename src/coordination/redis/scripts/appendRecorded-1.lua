--[[
  Puts in what was recorded, and forgets what is too much.

  KEYS[1]  recorded

  ARGV[1]  entry
  ARGV[2]  how many are kept
  ARGV[3]  TTL, milliseconds

  Output: id of the entry
]]
local id = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'entry', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return id
