-- What a user has used up of its rates: moments in microseconds of Redis's clock, separated by commas. The rules are
-- those of domain/spending.rs. ARGV: most that is booked, then of each rate what was granted. Answers of each
-- what is used up.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid_at = {}
for text in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^,]+') do
  paid_at[#paid_at + 1] = tonumber(text) or 0
end
local latest, texts, used = now, {}, {}
for place = 1, math.min(math.max(#paid_at, #ARGV - 1), 16) do
  local at = math.max(paid_at[place] or 0, now) + (tonumber(ARGV[place + 1]) or 0)
  at = math.min(at, now + tonumber(ARGV[1]))
  texts[place], used[place] = string.format('%.0f', at), at - now
  latest = math.max(latest, at)
end
if latest > now then
  redis.call('SET', KEYS[1], table.concat(texts, ','), 'PX', math.ceil((latest - now) / 1000))
end
return used
