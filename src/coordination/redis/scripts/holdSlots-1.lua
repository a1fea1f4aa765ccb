--[[
  A node has so many slots in place of those that it had, or fewer where others have the rest. Slots that were not renewed
  in time are free.

  KEYS[1]  slots

  ARGV[1]  slots in all
  ARGV[2]  node
  ARGV[3]  slots that it wants
  ARGV[4]  for how long, milliseconds

  Output: slots that it has
]]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local fields = redis.call('HGETALL', KEYS[1])
local others = 0
for i = 1, #fields, 2 do
  local count, expires = string.match(fields[i + 1], '^(%d+) (%d+)$')
  if tonumber(expires) <= now then
    redis.call('HDEL', KEYS[1], fields[i])
  elseif fields[i] ~= ARGV[2] then
    others = others + tonumber(count)
  end
end
local granted = math.max(0, math.min(tonumber(ARGV[3]), ARGV[1] - others))
if granted == 0 then
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f %.0f', granted, now + ARGV[4]))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return granted
