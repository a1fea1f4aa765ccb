--[[
  Notes that a node has a session no longer.

  KEYS[1]  session

  ARGV[1]  field of the node
  ARGV[2]  what the fields of nodes begin with

  Output: 1 where it was the last node that had it, else 0
]]
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, #ARGV[2]) == ARGV[2] then
    return 0
  end
end
return 1
