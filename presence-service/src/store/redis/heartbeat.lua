-- ARGV: epoch, connections, digest, lease_ms, memory_ms. Answers agreed, resync or stale.
if is_past(ARGV[1]) then return 'stale' end
if redis.call('HGET', account, 'epoch') ~= ARGV[1] then return 'resync' end
renew(ARGV[4], ARGV[5])
local agrees = redis.call('SCARD', live) == tonumber(ARGV[2])
  and redis.call('HGET', account, 'digest') == ARGV[3]
return agrees and 'agreed' or 'resync'
