-- Counts a request if no limit forbids it; see shared.py. The generic cell rate algorithm is that of gcra.py.
-- KEYS: times by rate (hash), calls in progress (sorted set of leases, by their end), counts of the day (hash)
-- ARGV: whether it is a call, its member, seconds of its lease, seconds to keep counts,
--       most calls at once, most calls per day, most bytes per day (-1: no limit), then pairs of rate and burst
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local is_call, member, lease, keep = ARGV[1] == '1', ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local concurrent, calls, bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local today = string.format('%d', math.floor(now / 86400))
local midnight = string.format('%.3f', 86400 - now % 86400)

if redis.call('HGET', KEYS[3], 'day') ~= today then
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[3], 'day', today)
  redis.call('EXPIRE', KEYS[3], keep)
end
if bytes >= 0 and tonumber(redis.call('HGET', KEYS[3], 'bytes') or '0') >= bytes then
  return {'bytes_per_day', midnight}
end

local times = {}
for index = 8, #ARGV, 2 do
  local interval = 1 / tonumber(ARGV[index])
  local field = ARGV[index] .. ' ' .. ARGV[index + 1]
  local due = tonumber(redis.call('HGET', KEYS[1], field) or '0')
  local wait = due - interval * (tonumber(ARGV[index + 1]) - 1) - 0.000001 - now
  if wait > 0 then
    return {'rate', string.format('%.6f', wait)}
  end
  times[#times + 1] = field
  times[#times + 1] = string.format('%.6f', math.max(due, now) + interval)
end

if is_call then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if concurrent >= 0 and redis.call('ZCARD', KEYS[2]) >= concurrent then
    return {'concurrent', '1'}
  end
  if calls >= 0 and tonumber(redis.call('HGET', KEYS[3], 'calls') or '0') >= calls then
    return {'calls_per_day', midnight}
  end
  redis.call('ZADD', KEYS[2], string.format('%.3f', now + lease), member)
  redis.call('EXPIRE', KEYS[2], keep)
  redis.call('HINCRBY', KEYS[3], 'calls', 1)
end
if #times > 0 then
  redis.call('HSET', KEYS[1], unpack(times))
  redis.call('EXPIRE', KEYS[1], keep)
end
return {'', '0'}
