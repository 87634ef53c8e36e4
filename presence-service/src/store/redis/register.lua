-- KEYS[1]: a user's devices, one packed line each. ARGV[1]: the new line, ARGV[2]: its device id.
-- Answers: lines before, lines after, and what it replaced.
local lines = redis.call('GET', KEYS[1])
local kept, before, replaced = {}, 0, ''
if lines then
    for line in string.gmatch(lines, '[^\n]+') do
        before = before + 1
        -- The device id is what follows the fourth bar.
        if string.match(line, '^[^|]*|[^|]*|[^|]*|[^|]*|(.*)$') == ARGV[2] then
            replaced = line
        else
            kept[#kept + 1] = line
        end
    end
end
kept[#kept + 1] = ARGV[1]
redis.call('SET', KEYS[1], table.concat(kept, '\n'))
return { before, #kept, replaced }
