--[[
  Reads a session's events after one of them.

  KEYS[1]  session
  KEYS[2]  events

  ARGV[1]  sequence after which they follow

  Output: {takes, producer that took it last or nil, last sequence, entries}
]]
local state = redis.call('HMGET', KEYS[1], 'takes', 'taker', 'sequence')
local entries = redis.call('XRANGE', KEYS[2], string.format('%.0f', ARGV[1] + 1), '+')
return { state[1] or '0', state[2], state[3] or '0', entries }
