-- ARGV: owner, claim_ms, memory_ms, most members. Answers a state and what is to end now:
-- 'ended' (the lease has, seen here first), 'ending', 'quiet' or 'gone'.
if redis.call('EXISTS', account, live, superseded) == 0 then return { 'gone', {} } end
local state = 'quiet'
if number('lease') <= now and redis.call('HGET', account, 'ended') ~= '1' then
  supersede(now)
  redis.call('HSET', account, 'due', now, 'ended', '1')
  redis.call('PEXPIRE', account, ARGV[3])
  state = 'ended'
end
if number('due') > now or redis.call('EXISTS', superseded) == 0 then return { state, {} } end
local owner = redis.call('HGET', account, 'claimed_by')
if owner and owner ~= ARGV[1] and number('claimed_until') > now then return { state, {} } end
redis.call('HSET', account, 'claimed_by', ARGV[1], 'claimed_until', now + ARGV[2])
if state == 'quiet' then state = 'ending' end
return { state, redis.call('SRANDMEMBER', superseded, ARGV[4]) }
