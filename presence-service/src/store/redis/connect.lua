-- ARGV: connection, epoch, stamp, device_type, connected_at_ms, gateway_id, device_id (all as they
-- stand in the record), lease_ms, most registrations, keep_secs, most connections.
-- Answers 2 in the place of `anew` when it is a further connection beyond what is allowed.
local connection, epoch, stamp, device_type, connected_at, gateway, device = unpack(ARGV, 1, 7)
local at = tonumber(connected_at, 16)
local is_anew = now - at > tonumber(ARGV[8])
local user = read()
local before = devices(user)
local offline = -1
if before == 0 and user.seen > 0 then offline = math.max(0, now - user.seen) end

local kept, replaced = {}, {}
for _, old in ipairs(user.list) do
  local same = old.connection == connection and old.epoch == epoch and old.gateway == gateway
  local gives_way = same
    or (old.device == device and (old.gateway == gateway or (not is_anew and old.at <= at)))
  if not gives_way then
    kept[#kept + 1] = old
  elseif not same and (old.gateway ~= gateway or old.epoch == epoch) then
    -- Its socket may be open: its gateway is told to close it.
    replaced[#replaced + 1] = old.connection .. old.epoch .. old.gateway
  end
end
if #kept >= tonumber(ARGV[11]) then
  return { before, before, user.chosen, user.chosen, user.seen, -1, 2, {} }
end
kept[#kept + 1] = {
  text = connection .. epoch .. stamp .. device_type .. connected_at .. gateway .. ',' .. device,
  device = device,
}
while #kept > tonumber(ARGV[9]) do
  local oldest = table.remove(kept, 1)
  replaced[#replaced + 1] = oldest.connection .. oldest.epoch .. oldest.gateway
end
user.list = kept
write(user, ARGV[10])
return { before, devices(user), user.chosen, user.chosen, user.seen, offline, is_anew and 1 or 0, replaced }
