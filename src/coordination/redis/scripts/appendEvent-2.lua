--[[
  Appends an event to a session's stream and drops what is too much. An entry's id is `<sequence>-<time>`: sequences
  alone order it, and its age can be read from it.

  KEYS[1]  session
  KEYS[2]  events

  ARGV[1]  data
  ARGV[2]  events that are kept at most
  ARGV[3]  bytes that are kept at most
  ARGV[4]  age at most, milliseconds
  ARGV[5]  field of the origin; empty for none
  ARGV[6]  event id of the origin

  Output: {sequence, node that holds the connection or nil}; nil where there is no such session
]]
local session, events = KEYS[1], KEYS[2]
if redis.call('HEXISTS', session, 'session') == 0 then
  return nil
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if redis.call('EXISTS', events) == 0 then
  redis.call('HDEL', session, 'bytes')
end
local sequence = redis.call('HINCRBY', session, 'sequence', 1)
redis.call('XADD', events, string.format('%.0f-%.0f', sequence, now), 'data', ARGV[1])
local bytes = redis.call('HINCRBY', session, 'bytes', #ARGV[1])
if ARGV[5] ~= '' then
  redis.call('HSET', session, ARGV[5], ARGV[6])
end

local count = redis.call('XLEN', events)
local freed = 0
while count > 1 do
  local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
  local time = tonumber(string.match(oldest[1], '%-(%d+)$'))
  if count <= tonumber(ARGV[2]) and bytes - freed <= tonumber(ARGV[3]) and time > now - tonumber(ARGV[4]) then
    break
  end
  redis.call('XDEL', events, oldest[1])
  freed = freed + #oldest[2][2]
  count = count - 1
end
if freed > 0 then
  redis.call('HINCRBY', session, 'bytes', string.format('%.0f', -freed))
end
redis.call('PEXPIRE', events, ARGV[4])
return { sequence, redis.call('HGET', session, 'holder') }
