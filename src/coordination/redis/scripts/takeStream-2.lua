--[[
  Gives a producer the connection of a session's stream, and what the client has not got.

  KEYS[1]  session
  KEYS[2]  events

  ARGV[1]   node
  ARGV[2]   producer
  ARGV[3]   takes as the node knows them; nothing is done where they are others
  ARGV[4]   sequence of the last event the client has, which counts as the last there is where it lies beyond; empty: the
            last that some connection was given
  ARGV[5]   what the fields of origins begin with
  ARGV[6]   what the fields of counts begin with
  ARGV[7]   age after which a producer's count is forgotten, milliseconds
  ARGV[8]   producer of what the client was given beside the log; empty for none
  ARGV[9]   the last count of that
  ARGV[10…] fields and values of origins with that, in turn

  Output: {takes, producer that took it last or nil, sequence after which events follow, last sequence, node of that
  producer or nil, entries, fields and values of origins in turn}, the first two alone where it was not taken; nil where
  there is no such session
]]
local session, events = KEYS[1], KEYS[2]
if redis.call('HEXISTS', session, 'session') == 0 then
  return nil
end
local state = redis.call('HMGET', session, 'takes', 'taker', 'taker-node', 'holder', 'delivered', 'sequence')
local takes, taker = state[1] or '0', state[2]
if takes ~= ARGV[3] then
  return { takes, taker }
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function count(value)
  return tonumber(string.match(value, '^%d+'))
end

if ARGV[8] ~= '' and ARGV[8] ~= ARGV[2] then
  local field = ARGV[6] .. ARGV[8]
  local known = redis.call('HGET', session, field)
  if not known or count(known) < tonumber(ARGV[9]) then
    -- The client has it: what has not arrived by now must not come again, from its producer or from its server.
    redis.call('HSET', session, field, ARGV[9] .. ' ' .. string.format('%.0f', now))
    if taker == ARGV[8] then
      for i = 10, #ARGV, 2 do
        redis.call('HSET', session, ARGV[i], ARGV[i + 1])
      end
    end
  end
end

-- Never below the clock: it rises after a loss of data, too.
takes = string.format('%.0f', math.max(tonumber(takes) + 1, now))
redis.call('HSET', session, 'holder', ARGV[1], 'taker', ARGV[2], 'taker-node', ARGV[1], 'takes', takes)

local origins = {}
local fields = redis.call('HGETALL', session)
for i = 1, #fields, 2 do
  local field, value = fields[i], fields[i + 1]
  if string.sub(field, 1, #ARGV[5]) == ARGV[5] then
    table.insert(origins, field)
    table.insert(origins, value)
  elseif string.sub(field, 1, #ARGV[6]) == ARGV[6] and field ~= ARGV[6] .. (taker or '') then
    if tonumber(string.match(value, '%d+$')) < now - tonumber(ARGV[7]) then
      redis.call('HDEL', session, field)
    end
  end
end

local last = state[6] or '0'
local after = ARGV[4]
if after == '' then
  after = state[5] or '0'
end
if tonumber(after) > tonumber(last) then
  after = last
end
local entries = redis.call('XRANGE', events, string.format('%.0f', after + 1), '+')
return { takes, taker, after, last, state[3] or state[4], entries, origins }
