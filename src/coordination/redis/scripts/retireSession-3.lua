--[[
  Ends a session that nobody has used for long, for whoever comes first.

  KEYS[1]  session
  KEYS[2]  events
  KEYS[3]  calls

  ARGV[1]  milliseconds that it has left at most, else it was used
  ARGV[2]  what a record begins with that this node can read

  Output: its fields and values in turn; milliseconds that it has left, where it was used; nil where it had ended, or is
  for nodes of another version to end
]]
local record = redis.call('HGET', KEYS[1], 'session')
if not record or string.sub(record, 1, #ARGV[2]) ~= ARGV[2] then
  return nil
end
local left = redis.call('PTTL', KEYS[1])
if left > tonumber(ARGV[1]) then
  return left
end
local fields = redis.call('HGETALL', KEYS[1])
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return fields
