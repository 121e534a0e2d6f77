#!lua name=heliograph_sightings_$VERSION
-- A look at feed windows, whose form stands in feeds.lua, for whoever asks why.

-- look: what a window has on one post and its author. Changes nothing, not even the window's life.
-- KEYS  1 window  2 hidden
-- ARGV  1 post id  2 author
-- Reply {holder of the floor or '', floor, post's score or '', '1' where the author is hidden,
--        entries, seconds to live}; of a window that says it hides and has no set: '?' for the 1.
-- Cost  10 us.
local function look(keys, args)
    local window, hidden = keys[1], keys[2]
    local bottom = redis.pcall('ZRANGE', window, 0, 1, 'WITHSCORES')
    local at = bottom[1] == 'hides' and 3 or 1
    local holder = bottom[at]
    if not holder or not (holder == 'floor' or string.sub(holder, 1, 9) == 'building:') then
        return {'', '', '', '', 0, -2}
    end
    local unseen = ''
    if at == 3 then
        local known = redis.pcall('SISMEMBER', hidden, args[2])
        unseen = known == 1 and '1' or ''
        if redis.call('EXISTS', hidden) == 0 then unseen = '?' end
    end
    local others = at == 3 and 2 or 1
    return {holder, bottom[at + 1], redis.call('ZSCORE', window, args[1]) or '', unseen,
            redis.call('ZCARD', window) - others, redis.call('TTL', window)}
end

redis.register_function{function_name='look_$VERSION', callback=look, flags={'no-writes'}}
