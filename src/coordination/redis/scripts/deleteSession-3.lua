--[[
  Ends a session, for whoever comes first.

  KEYS[1]  session
  KEYS[2]  events
  KEYS[3]  calls

  Output: its fields and values in turn; nil where it had ended
]]
local fields = nil
if redis.call('HEXISTS', KEYS[1], 'session') == 1 then
  fields = redis.call('HGETALL', KEYS[1])
end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return fields
