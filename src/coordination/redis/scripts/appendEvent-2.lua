--[[
  Appends an event to a session's stream, once, and drops what is too much. An entry's id is `<sequence>-<time>`:
  sequences alone order it, and its age can be read from it.

  KEYS[1]  session
  KEYS[2]  events

  ARGV[1]   data
  ARGV[2]   1; 0 where nothing is logged and only the origin is noted
  ARGV[3]   events that are kept at most
  ARGV[4]   bytes that are kept at most
  ARGV[5]   age at most, milliseconds
  ARGV[6]   producer
  ARGV[7]   count: the producer's last one is below it, unless this has been done already
  ARGV[8]   field of the producer's last count
  ARGV[9]   field of the origin; empty for none
  ARGV[10]  position of the origin

  Output: {`appended`, `known` or `refused`, sequence of the event, or of the last one, node that holds the connection or
  nil, takes, producer that took it last or nil}; nil where there is no such session
]]
local session, events = KEYS[1], KEYS[2]
if redis.call('HEXISTS', session, 'session') == 0 then
  return nil
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function log()
  if redis.call('EXISTS', events) == 0 then
    redis.call('HDEL', session, 'bytes')
  end
  local sequence = redis.call('HINCRBY', session, 'sequence', 1)
  local id = string.format('%.0f-%.0f', sequence, now)
  redis.call('XADD', events, id, 'data', ARGV[1], 'stamp', ARGV[7] .. ' ' .. ARGV[6])
  local bytes = redis.call('HINCRBY', session, 'bytes', #ARGV[1])
  local count = redis.call('XLEN', events)
  local freed = 0
  while count > 1 do
    local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
    local time = tonumber(string.match(oldest[1], '%-(%d+)$'))
    if count <= tonumber(ARGV[3]) and bytes - freed <= tonumber(ARGV[4]) and time > now - tonumber(ARGV[5]) then
      break
    end
    redis.call('XDEL', events, oldest[1])
    freed = freed + #oldest[2][2]
    count = count - 1
  end
  if freed > 0 then
    redis.call('HINCRBY', session, 'bytes', string.format('%.0f', -freed))
  end
  redis.call('PEXPIRE', events, ARGV[5])
end

local state = redis.call('HMGET', session, ARGV[8], 'taker', 'takes', 'holder')
local known, taker = state[1], state[2]
local outcome = 'appended'
if known and tonumber(string.match(known, '^%d+')) >= tonumber(ARGV[7]) then
  outcome = 'known'
else
  -- Also where it is refused: an attempt that comes late must not be taken for a new one.
  redis.call('HSET', session, ARGV[8], ARGV[7] .. ' ' .. string.format('%.0f', now))
  if ARGV[9] ~= '' and taker and taker ~= ARGV[6] then
    outcome = 'refused'
  end
end
if outcome == 'appended' then
  if ARGV[9] ~= '' then
    redis.call('HSET', session, ARGV[9], ARGV[10])
  end
  if ARGV[2] == '1' then
    log()
  end
end
return { outcome, redis.call('HGET', session, 'sequence') or '0', state[4], state[3] or '0', taker }
