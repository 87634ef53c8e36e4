-- KEYS[1] a hash: of each gateway what it said last, as 'until connections takes draining'. ARGV: gateway_id, connections,
-- takes, draining, lease_ms. Answers of all living gateways their id, followed by what they said without `until`.
local loads = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = string.format('%.0f %s %s %s', now + ARGV[5], ARGV[2], ARGV[3], ARGV[4])
redis.call('HSET', loads, ARGV[1], said)
redis.call('PEXPIRE', loads, ARGV[5])
local all, living = redis.call('HGETALL', loads), {}
for index = 1, #all, 2 do
  local ends, rest = string.match(all[index + 1], '^(%d+) (.*)$')
  if ends and tonumber(ends) > now then
    living[#living + 1], living[#living + 2] = all[index], rest
  else
    redis.call('HDEL', loads, all[index])
  end
end
return living
