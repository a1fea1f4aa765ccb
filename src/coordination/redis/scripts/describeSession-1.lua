--[[
  Reads what a list shows of a session.

  KEYS[1]  session

  Output: {record, node that holds its stream or empty, milliseconds that it has left, names of its fields}; nil where it
  has ended
]]
local state = redis.call('HMGET', KEYS[1], 'session', 'holder')
if not state[1] then
  return nil
end
return { state[1], state[2] or '', redis.call('PTTL', KEYS[1]), redis.call('HKEYS', KEYS[1]) }
