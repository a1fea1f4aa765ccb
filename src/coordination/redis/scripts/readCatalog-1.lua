--[[
  Reads a catalog; its lists only where the reader has others.

  KEYS[1]  catalog

  ARGV[1]  digest of the lists that the reader has; empty for none

  Output: {token, version, record, digest or nil, lists or nil}; nil where there is none
]]
local found = redis.call('HMGET', KEYS[1], 'token', 'version', 'record', 'digest')
if not found[1] then
  return nil
end
local lists = false
if found[4] and found[4] ~= ARGV[1] then
  lists = redis.call('HGET', KEYS[1], 'lists')
end
return { found[1], found[2], found[3], found[4], lists }
