-- ARGV: epoch, 1 for a snapshot, lease_ms, account_ms, memory_ms, then for each connection that was
-- opened its member without the stamp, and its digest. Answers the account's stamp; '' when stale.
local epoch = ARGV[1]
if is_past(epoch) then return '' end
local current = redis.call('HGET', account, 'epoch')
local stamp = redis.call('HGET', account, 'stamp')
if current ~= epoch or ARGV[2] == '1' or not stamp then
  stamp = supersede(math.max(number('lease'), now + ARGV[4]))
  if current and current ~= epoch then follow(current) end
  redis.call('HSET', account, 'epoch', epoch)
end
renew(ARGV[3], ARGV[5])
local digest = redis.call('HGET', account, 'digest')
local before = digest
for index = 6, #ARGV, 2 do
  redis.call('ZADD', listed, 0, place(ARGV[index]))
  if redis.call('SADD', live, stamp .. ARGV[index]) == 1 then
    digest = xor(digest, ARGV[index + 1])
  end
end
if digest ~= before then redis.call('HSET', account, 'digest', digest) end
return stamp
