-- ARGV: epoch, connections, digest, lease_ms, memory_ms. Answers agreed, resync or stale.
if is_past(ARGV[1]) then return 'stale' end
if redis.call('HGET', account, 'epoch') ~= ARGV[1] then return 'resync' end
renew(ARGV[4], ARGV[5])
-- Fewer are listed than are named after a report to a version that keeps no list.
local count = redis.call('SCARD', live)
local agrees = count == tonumber(ARGV[2])
  and redis.call('ZCARD', listed) >= count
  and redis.call('HGET', account, 'digest') == ARGV[3]
return agrees and 'agreed' or 'resync'
