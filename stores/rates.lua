#!lua name=heliograph_rates_$VERSION
-- Allowances by GCRA (the "virtual scheduling" of ITU-T I.371): a key holds one number, the moment,
-- in Unix microseconds, at which all of its allowance is back, and is gone from then on.

-- take: one of each allowance, or of none.
-- KEYS  one for each allowance, all in one slot
-- ARGV  for each: how many  in how many microseconds; all of them may be taken at once
-- Reply 1 or 0, whether they were taken; then for each: how many are left, microseconds until all
--       are back, microseconds until one could be taken (0: now)
-- Cost  one trip; 3 us and 2 us a key.
local function take(keys, args)
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local reply, after = {1}, {}
    for i, key in ipairs(keys) do
        local period = tonumber(args[2 * i])
        local step = math.floor(period / tonumber(args[2 * i - 1]))
        -- Never further ahead than a period: the limit was lowered, or a clock was put back.
        local whole = math.min(tonumber(redis.call('GET', key) or 0), now + period)
        whole = math.max(whole, now)
        local wait = math.max(whole + step - now - period, 0)
        if wait > 0 then reply[1] = 0 end
        after[i] = {whole, whole + step, wait}
    end
    for i, key in ipairs(keys) do
        local period = tonumber(args[2 * i])
        local step = math.floor(period / tonumber(args[2 * i - 1]))
        -- What was not taken costs nothing: whoever asks again and again does not wait longer.
        local whole = after[i][1 + reply[1]]
        if reply[1] == 1 then
            redis.call('SET', key, string.format('%.0f', whole),
                       'PX', math.ceil((whole - now) / 1000))
        end
        reply[#reply + 1] = math.floor((now + period - whole) / step)
        reply[#reply + 1] = whole - now
        reply[#reply + 1] = after[i][3]
    end
    return reply
end

redis.register_function('take_$VERSION', take)
