-- A user's record, one string: '1' chosen(1) last_seen_ms(12), then registrations, each ended by ';':
--   connection(16) epoch(16) stamp(14) device_type(1) connected_at_ms(12) gateway_id ',' device_id
-- Numbers are hexadecimal of that width. The rules are those of domain/registration.rs.
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read()
  local raw = redis.call('GET', key)
  local user = { chosen = 'u', seen = 0, list = {} }
  -- Anything else was not written by this version: it is replaced by the next write.
  if not raw or string.sub(raw, 1, 1) ~= '1' then return user end
  user.chosen = string.sub(raw, 2, 2)
  user.seen = tonumber(string.sub(raw, 3, 14), 16) or 0
  for text in string.gmatch(string.sub(raw, 15), '([^;]+);') do
    local gateway, device = string.match(string.sub(text, 60), '^([^,]+),([^,]+)$')
    if device then
      user.list[#user.list + 1] = {
        text = text,
        connection = string.sub(text, 1, 16),
        epoch = string.sub(text, 17, 32),
        stamp = string.sub(text, 33, 46),
        at = tonumber(string.sub(text, 48, 59), 16) or 0,
        gateway = gateway,
        device = device,
      }
    end
  end
  return user
end

local function write(user, keep_secs)
  local parts = { '1', user.chosen, string.format('%012x', user.seen) }
  for _, registration in ipairs(user.list) do
    parts[#parts + 1] = registration.text
    parts[#parts + 1] = ';'
  end
  if #user.list > 0 then
    redis.call('SET', key, table.concat(parts))
  else
    redis.call('SET', key, table.concat(parts), 'EX', keep_secs)
  end
end

local function devices(user)
  local seen, count = {}, 0
  for _, registration in ipairs(user.list) do
    if not seen[registration.device] then
      seen[registration.device] = true
      count = count + 1
    end
  end
  return count
end
