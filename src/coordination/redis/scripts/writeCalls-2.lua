--[[
  Notes calls that can be run again, and forgets those that are over.

  KEYS[1]  session
  KEYS[2]  calls

  ARGV[1]  milliseconds for which what is noted is kept at least
  ARGV[2]  fields that there may be
  ARGV[3]  how many calls follow
  ARGV[4…] field and record of each, then fields of those that are over

  Output: calls that were noted
]]
local session, calls = KEYS[1], KEYS[2]
local count = tonumber(ARGV[3])
for i = 4 + 2 * count, #ARGV do
  redis.call('HDEL', calls, ARGV[i])
end
if redis.call('HEXISTS', session, 'session') == 0 then
  return 0
end
local noted = 0
for i = 4, 2 + 2 * count, 2 do
  if redis.call('HLEN', calls) < tonumber(ARGV[2]) then
    redis.call('HSET', calls, ARGV[i], ARGV[i + 1])
    noted = noted + 1
  end
end
if noted > 0 and redis.call('PTTL', calls) < tonumber(ARGV[1]) then
  redis.call('PEXPIRE', calls, ARGV[1])
end
return noted
