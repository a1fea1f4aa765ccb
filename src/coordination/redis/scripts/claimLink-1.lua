--[[
  Stores a link where none is stored, or where the stored one may be replaced. A stored link begins with a line that
  names the server's session, so that it can be compared without being parsed.

  KEYS[1]  session

  ARGV[1]  field of the link
  ARGV[2]  link, as it is stored
  ARGV[3]  first line of the link that may be replaced; empty for none

  Output: the link in force; nil where there is no such session
]]
if redis.call('HEXISTS', KEYS[1], 'session') == 0 then
  return nil
end
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local line = string.sub(stored, 1, string.find(stored, '\n', 1, true) - 1)
  if line ~= ARGV[3] then
    return stored
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
