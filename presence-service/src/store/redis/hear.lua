-- KEYS[1] a hash of who speaks under the id of a gateway. ARGV: process, lease_ms, memory_ms. Answers alone,
-- taken_over or rival: the rule is that of domain/rivals.rs, field by field.
local speakers, process, lease_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(field)
  return tonumber(redis.call('HGET', speakers, field) or '0') or 0
end

redis.call('HSETNX', speakers, 'holder', process)
redis.call('PEXPIRE', speakers, ARGV[3])
local holder = redis.call('HGET', speakers, 'holder')
if holder ~= process then
  local past = redis.call('HGET', speakers, 'past') or ''
  if string.find(past, process, 1, true) and number('heard') + lease_ms > now then
    redis.call('HSETNX', speakers, 'doubt', now)
    if now - number('doubt') < lease_ms / 20 then return 'taken_over' end
    redis.call('HSET', speakers, 'rivals_until', now + lease_ms)
    return 'rival'
  end
  -- The last 32; each takes 17 characters, so that none is found across two.
  past = holder .. ';' .. string.gsub(past, process .. ';', '')
  redis.call('HSET', speakers, 'holder', process, 'past', string.sub(past, 1, 17 * 32))
  redis.call('HDEL', speakers, 'doubt', 'rivals_until')
end
redis.call('HSET', speakers, 'heard', now)
return number('rivals_until') > now and 'rival' or 'alone'
