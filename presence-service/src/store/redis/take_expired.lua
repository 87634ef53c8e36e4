-- KEYS[1]: leases by gateway id. ARGV[1]: a gateway id, ARGV[2]: the lease that was seen.
-- Only the first of several sweepers finds it unchanged.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
