-- Marks servers whose lists changed at a replica; see board.py.
-- KEYS: marks by server (hash; the empty field has the newest)
-- ARGV: the name of the replica, seconds to keep the marks, servers
-- Returns the mark: no other change has the same, also after Redis has lost all marks.
local clock = redis.call('TIME')
local mark = clock[1] .. '.' .. string.format('%06d', clock[2]) .. ' ' .. ARGV[1]
for index = 3, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[index], mark)
end
redis.call('HSET', KEYS[1], '', mark)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return mark
