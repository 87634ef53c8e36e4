-- ARGV: members of earlier accounts whose registrations have been ended. A connection that the present account names
-- too stays in the list.
local stamp = redis.call('HGET', account, 'stamp') or ''
for _, member in ipairs(ARGV) do
  redis.call('SREM', superseded, member)
  if redis.call('SISMEMBER', live, stamp .. string.sub(member, 15)) == 0 then
    redis.call('ZREM', listed, place(string.sub(member, 15)))
  end
end
return #ARGV
