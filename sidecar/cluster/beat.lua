-- Notes what a replica says of itself, by the clock of Redis; see board.py.
-- KEYS: reports by replica (hash), marks of changes by server (hash; the empty field has the newest)
-- ARGV: the name of the replica, its report, seconds to keep both
-- Returns the newest mark of a change.
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], clock[1] .. '.' .. string.format('%06d', clock[2]) .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[2], '') or ''
