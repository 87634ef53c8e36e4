-- ARGV: connection, gateway_id, stamp ('' for any), keep_secs
local user = read()
local before = devices(user)
local kept = {}
for _, old in ipairs(user.list) do
  local named = old.connection == ARGV[1]
    and old.gateway == ARGV[2]
    and (ARGV[3] == '' or old.stamp == ARGV[3])
  if not named then kept[#kept + 1] = old end
end
if #kept < #user.list then
  user.list = kept
  -- An invisible user was last seen when they became invisible, and one whose choice is unread may be one.
  if #kept == 0 and user.chosen ~= 'i' and user.chosen ~= 'u' then user.seen = now end
  write(user, ARGV[4])
end
return { before, devices(user), user.chosen, user.chosen, user.seen, -1, 0, {} }
