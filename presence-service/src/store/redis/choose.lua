-- ARGV: chosen (one letter), keep_secs, 1 when it was read elsewhere: then a known one stays
local user = read()
local count, before = devices(user), user.chosen
if before ~= ARGV[1] and (ARGV[3] ~= '1' or before == 'u') then
  -- Others saw the user until now, unless they were told that the user is offline.
  if count > 0 and ARGV[1] == 'i' and before ~= 'u' then user.seen = now end
  user.chosen = ARGV[1]
  write(user, ARGV[2])
end
return { count, count, before, user.chosen, user.seen, -1, 0, {} }
