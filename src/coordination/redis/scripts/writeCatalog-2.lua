--[[
  Stores a catalog, unless a later watcher has stored one, and what came of the check of its server. The version is
  above the last one and not below the clock, so it also rises when the last one is not known any more.

  KEYS[1]  catalog
  KEYS[2]  last check of the server

  ARGV[1]  token of the watcher's lease
  ARGV[2]  TTL, milliseconds
  ARGV[3]  revision of the server's record
  ARGV[4]  record, JSON
  ARGV[5]  digest of the lists; empty for none
  ARGV[6]  lists

  Output: version; nil where a later watcher has written
]]
local before = redis.call('HMGET', KEYS[1], 'token', 'version')
if before[1] and tonumber(before[1]) > tonumber(ARGV[1]) then
  return nil
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local version = string.format('%.0f', math.max(tonumber(before[2] or 0) + 1, now))
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'version', version, 'record', ARGV[4])
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[1], 'digest', 'lists')
else
  redis.call('HSET', KEYS[1], 'digest', ARGV[5], 'lists', ARGV[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])

local revision = redis.call('HGET', KEYS[2], 'revision')
if not revision or tonumber(revision) <= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[2], 'revision', ARGV[3], 'record', ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return version
