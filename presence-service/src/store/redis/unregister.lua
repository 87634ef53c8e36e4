-- KEYS[1]: a user's devices, one packed line each; KEYS[2]: what is known of the user.
-- ARGV[1]: how the line of the connection begins, ARGV[2]: the time in Unix milliseconds.
-- Answers: lines before, lines after.
local lines = redis.call('GET', KEYS[1])
if not lines then
    return { 0, 0 }
end
local kept, before = {}, 0
for line in string.gmatch(lines, '[^\n]+') do
    before = before + 1
    if string.sub(line, 1, #ARGV[1]) ~= ARGV[1] then
        kept[#kept + 1] = line
    end
end
if #kept == 0 then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[2], 'last_seen_ms', ARGV[2])
elseif #kept < before then
    redis.call('SET', KEYS[1], table.concat(kept, '\n'))
end
return { before, #kept }
