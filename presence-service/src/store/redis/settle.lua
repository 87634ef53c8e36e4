-- ARGV: stamp, then for each connection that was closed its member without the stamp, and its digest.
-- Comes after the users' records were changed: when it is lost, the next heartbeat shows it.
if redis.call('HGET', account, 'stamp') ~= ARGV[1] then return 0 end
local digest = redis.call('HGET', account, 'digest')
for index = 2, #ARGV, 2 do
  if redis.call('SREM', live, ARGV[1] .. ARGV[index]) == 1 then
    redis.call('ZREM', listed, place(ARGV[index]))
    digest = xor(digest, ARGV[index + 1])
  end
end
redis.call('HSET', account, 'digest', digest)
return 1
