--[[
  Gives what a node has left of a call to the first that asks.

  KEYS[1]  session
  KEYS[2]  calls

  ARGV[1]  field of the stream's successor
  ARGV[2]  successor
  ARGV[3]  field of the stream's call
  ARGV[4]  field of the successor's call
  ARGV[5]  1 where there is something to go on with even if no call is noted, else 0
  ARGV[6]  milliseconds for which it is kept at least
  ARGV[7]  fields that there may be

  Output: {successor in force, record of the call for the one that takes over, else nil}; nil where there is nothing to
  take over, or no such session
]]
local session, calls = KEYS[1], KEYS[2]
if redis.call('HEXISTS', session, 'session') == 0 then
  return nil
end
local before = redis.call('HGET', calls, ARGV[1])
if before then
  return { before }
end
local call = redis.call('HGET', calls, ARGV[3])
if not call and (ARGV[5] ~= '1' or redis.call('HLEN', calls) >= tonumber(ARGV[7])) then
  return nil
end
redis.call('HSET', calls, ARGV[1], ARGV[2])
if call then
  redis.call('HDEL', calls, ARGV[3])
  redis.call('HSET', calls, ARGV[4], call)
end
if redis.call('PTTL', calls) < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', calls, ARGV[6])
end
return { ARGV[2], call }
