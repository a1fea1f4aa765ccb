--[[
  Reads the next entries of the event log for a reader, those first that another has left.

  KEYS[1]  event log

  ARGV[1]  group of readers
  ARGV[2]  reader
  ARGV[3]  most entries
  ARGV[4]  milliseconds after which an entry that was read and is not done counts as left

  Output: entries
]]
local group, reader, count, idle = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- There is none before the first event, and none after a loss of data.
redis.pcall('XGROUP', 'CREATE', KEYS[1], group, '0', 'MKSTREAM')
local left = redis.call('XAUTOCLAIM', KEYS[1], group, reader, idle, '0-0', 'COUNT', count)[2]
if #left > 0 then
  return left
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  local facts = {}
  for i = 1, #consumer, 2 do
    facts[consumer[i]] = consumer[i + 1]
  end
  -- One that has gone and left nothing.
  if facts.pending == 0 and facts.name ~= reader and facts.idle > 600000 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, facts.name)
  end
end
local fresh = redis.call('XREADGROUP', 'GROUP', group, reader, 'COUNT', count, 'STREAMS', KEYS[1], '>')
return fresh and fresh[1][2] or {}
