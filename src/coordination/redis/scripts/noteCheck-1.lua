--[[
  Stores what came of a check of a server, unless there is one of a later revision of its record.

  KEYS[1]  last check of the server

  ARGV[1]  TTL, milliseconds
  ARGV[2]  revision
  ARGV[3]  record, JSON

  Output: 1; 0 where there is one
]]
local revision = redis.call('HGET', KEYS[1], 'revision')
if revision and tonumber(revision) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'record', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
