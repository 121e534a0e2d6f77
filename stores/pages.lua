#!lua name=heliograph_pages_$VERSION
-- Pages out of windows of feeds (feeds.lua), in half the time of `skeleton`, for what nearly every
-- read of a feed is. Anything else is nil: `skeleton` knows it, and mends what is to be mended.

local REFRESHED_BELOW_SECONDS = 29 * 86400  -- as of feeds.lua, which does it

-- page: the entries of one page, newest first.
-- KEYS  1 window  2 hidden  3 a list of outboxes.lua, if it is wanted
-- ARGV  1 cursor's ms or ''  2 cursor's post id or ''  3 how many entries
-- Reply {floor, 'hidden author,...', list or '', 'post id,...', ms of the last one}
--       without that ms when these are all above the floor. Whoever's list names anybody gets
--       'ms,post id,...' instead, and one entry more than asked for.
--       nil: no window to trust, one to be refreshed, or others of the cursor's ms.
--       Entries of one ms fall by id as text: as numbers, too, where all have as many digits.
-- Cost  one trip; 8 us and 0.3 us an entry, 0.6 with their ms, for scores are slow to write.
local function page(keys, args)
    local call, try, concat = redis.call, redis.pcall, table.concat  -- looked up once
    local window, before, count = keys[1], args[1], tonumber(args[3])
    local bottom = try('ZRANGE', window, 0, 1, 'WITHSCORES')
    local at, unseen, list = 1, '', ''
    if bottom[1] == 'hides' then
        local hidden = try('SMEMBERS', keys[2])
        if hidden.err or #hidden == 0 then return nil end
        at, unseen = 3, concat(hidden, ',')
    end
    local floor = bottom[at + 1]
    if bottom[at] ~= 'floor' or call('TTL', window) < REFRESHED_BELOW_SECONDS then return nil end
    if keys[3] then
        list = try('GET', keys[3])
        if type(list) ~= 'string' then list = '' end
    end

    local from = '+inf'
    if before ~= '' then
        if tonumber(before) <= tonumber(floor) then return nil end
        for _, id in ipairs(call('ZRANGE', window, before, before, 'BYSCORE')) do
            if id ~= args[2] then return nil end
        end
        from = '(' .. before
    end
    local above = '(' .. floor
    if list ~= '' and string.sub(list, -1) ~= ':' then
        local found = call('ZRANGE', window, from, above, 'BYSCORE', 'REV',
            'LIMIT', 0, count + 1, 'WITHSCORES')
        for at = 1, #found, 2 do found[at], found[at + 1] = found[at + 1], found[at] end
        return {floor, unseen, list, concat(found, ',')}
    end
    local found = call('ZRANGE', window, from, above, 'BYSCORE', 'REV', 'LIMIT', 0, count + 1)
    if #found <= count then return {floor, unseen, list, concat(found, ',')} end
    local last = call('ZRANGE', window, from, above, 'BYSCORE', 'REV',
        'LIMIT', count - 1, 1, 'WITHSCORES')
    return {floor, unseen, list, concat(found, ',', 1, count), last[2]}
end

redis.register_function('page_$VERSION', page)
