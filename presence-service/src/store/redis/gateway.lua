-- A gateway: KEYS[1] a hash (epoch, past epochs, stamp and digest of its account, lease, claim),
-- KEYS[2] the set of what its account names, KEYS[3] the set of what earlier accounts named and is to
-- end at `due`. Members: stamp(14) connection(16) user_id, the numbers hexadecimal.
-- KEYS[4] a sorted set of what both name, as places in the list of all connections: user_id ',' connection(16).
local account, live, superseded, listed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function number(field)
  return tonumber(redis.call('HGET', account, field) or '0') or 0
end

-- 64 bits in hexadecimal: Lua's numbers hold 53, its bit operations 32.
local function xor(one, other)
  local function half(from, to)
    return bit.tohex(
      bit.bxor(tonumber(string.sub(one, from, to), 16), tonumber(string.sub(other, from, to), 16))
    )
  end
  return half(1, 8) .. half(9, 16)
end

-- The place of a member without its stamp.
local function place(member)
  return string.sub(member, 17) .. ',' .. string.sub(member, 1, 16)
end

local function is_past(epoch)
  return string.find(redis.call('HGET', account, 'past') or '', epoch, 1, true) ~= nil
end

-- Nothing of this epoch is taken any more.
local function follow(epoch)
  if is_past(epoch) then return end
  -- The last 32; each takes 17 characters, so that no epoch is found across two.
  local past = epoch .. ';' .. (redis.call('HGET', account, 'past') or '')
  redis.call('HSET', account, 'past', string.sub(past, 1, 17 * 32))
end

-- Ends the account: what it names ends at `due`, or earlier if something was to end before.
local function supersede(due)
  local waiting = redis.call('EXISTS', superseded) == 1
  if redis.call('EXISTS', live) == 1 then
    if waiting then
      redis.call('SUNIONSTORE', superseded, superseded, live)
      redis.call('DEL', live)
    else
      redis.call('RENAME', live, superseded)
    end
  end
  if not waiting then redis.call('HSET', account, 'due', due) end
  -- Microseconds: never the same for two accounts of one gateway.
  local stamp = string.format('%014x', time[1] * 1000000 + time[2])
  redis.call('HSET', account, 'stamp', stamp, 'digest', '0000000000000000')
  return stamp
end

local function renew(lease_ms, memory_ms)
  redis.call('HSET', account, 'lease', now + lease_ms, 'ended', '0')
  redis.call('PEXPIRE', account, memory_ms)
end
