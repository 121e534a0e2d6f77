#!lua name=heliograph_vacuum_$VERSION
-- What is left over of feed windows, whose form stands in feeds.lua.

-- needless: forget the authors hidden from a window that is gone, or that hides nobody.
-- KEYS  1 window  2 hidden
-- Reply 1 when they were forgotten, else 0.
-- Cost  2 us.
local function needless(keys)
    local bottom = redis.pcall('ZRANGE', keys[1], 0, 0)
    if not bottom.err and bottom[1] == 'hides' then return 0 end
    return redis.call('UNLINK', keys[2])
end

redis.register_function('needless_$VERSION', needless)
