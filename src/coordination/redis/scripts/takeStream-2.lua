--[[
  Gives a node the connection of a session's stream, and what the client has not got.

  KEYS[1]  session
  KEYS[2]  events

  ARGV[1]  node
  ARGV[2]  sequence of the last event the client has, which counts as the last there is where it lies beyond; empty: the
           last that some connection was given
  ARGV[3]  what the fields of origins begin with

  Output: {sequence after which events follow, node that held it before or nil, entries, fields and values of origins in
  turn}; nil where there is no such session
]]
local session, events = KEYS[1], KEYS[2]
if redis.call('HEXISTS', session, 'session') == 0 then
  return nil
end
local previous = redis.call('HGET', session, 'holder')
redis.call('HSET', session, 'holder', ARGV[1])
local after = ARGV[2]
if after == '' then
  after = redis.call('HGET', session, 'delivered') or '0'
end
local last = tonumber(redis.call('HGET', session, 'sequence') or '0')
if tonumber(after) > last then
  after = string.format('%.0f', last)
end
local origins = {}
local fields = redis.call('HGETALL', session)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, #ARGV[3]) == ARGV[3] then
    table.insert(origins, fields[i])
    table.insert(origins, fields[i + 1])
  end
end
local entries = redis.call('XRANGE', events, string.format('%.0f', after + 1), '+')
return { after, previous, entries, origins }
