-- ARGV: epoch, memory_ms. Answers 1 when the gateway left by this call.
local epoch = ARGV[1]
if redis.call('HGET', account, 'epoch') ~= epoch or is_past(epoch) then return 0 end
supersede(now)
follow(epoch)
redis.call('HSET', account, 'due', now, 'lease', now, 'ended', '1')
redis.call('PEXPIRE', account, ARGV[2])
return 1
