-- ARGV: chosen (one letter), keep_secs
local user = read()
local count, before = devices(user), user.chosen
if before ~= ARGV[1] then
  if count > 0 and ARGV[1] == 'i' then user.seen = now end
  user.chosen = ARGV[1]
  write(user, ARGV[2])
end
return { count, count, before, user.chosen, user.seen, -1, 0, {} }
