#!lua name=heliograph_feeds_$VERSION
-- Feed windows: sorted sets of post ids by publication (Unix ms), each with an explicit floor.
-- A window's lowest member carries its floor as score: `floor`, or `building:<token>` until
-- Postgres has been read. Every other score is above it. A window that has a set of hidden authors
-- says so by a member `hides` at -inf, for either key may be evicted without the other.
-- All keys of a call lie in one bucket, so in one slot. What is no window is removed and skipped.

local KEPT_SECONDS = 30 * 86400
local REFRESHED_BELOW_SECONDS = 29 * 86400
local MOST_UNPACKED = 1000       -- arguments of one command: the stack has room for some thousands
-- So many of as many pushes as the cap, chosen by their moments, look how long windows have become:
-- a look costs a tenth of a push, and a window may be some entries too long for a while.
local LOOKS_PER_CAP = 32
local MOST_HIDDEN = 512           -- more, and building the window anew costs less than filtering it

-- Who carries the floor, the floor as text, and how many members are no entries; nil: no window.
local function state_of(window)
    local bottom = redis.pcall('ZRANGE', window, 0, 1, 'WITHSCORES')
    local at = bottom[1] == 'hides' and 3 or 1
    local holder = bottom[at]
    if holder and (holder == 'floor' or string.sub(holder, 1, 9) == 'building:') then
        return holder, bottom[at + 1], at == 3 and 2 or 1
    end
    if bottom.err or holder or bottom[1] then redis.call('DEL', window) end
    return nil
end

-- Raise the floor: what stands at or below it goes. The key never empties, so it keeps its life.
local function raise(window, holder, floor, to)
    redis.call('ZREMRANGEBYSCORE', window, '(' .. floor, to)
    redis.call('ZADD', window, to, holder)
end

-- Above the cap by a tenth, cut down to it. Ties of the highest removed score go too. The floor after.
local function trim(window, holder, floor, entries, cap)
    if entries <= cap + math.floor(cap / 10) then return floor end
    local to = redis.call('ZRANGE', window, cap, cap, 'REV', 'WITHSCORES')[2]
    raise(window, holder, floor, to)
    return to
end

-- Ids are decimals without leading zeros: the shorter is the smaller.
local function smaller(one, other)
    if #one ~= #other then return #one < #other end
    return one < other
end

-- What stands at the key of a list; nil, which ends a reply, when no list is wanted.
local function list_at(key)
    if not key then return nil end
    local found = redis.pcall('GET', key)
    return type(found) == 'string' and found or ''
end

-- skeleton: one slice of a window, newest first, with the authors that its viewer no longer sees.
-- KEYS  1 window  2 hidden  3 a list of outboxes.lua, if it is wanted
-- ARGV  1 cursor's ms or ''  2 cursor's post id or ''  3 how many entries
-- Reply {floor, 'ms,post id,...', 'hidden author,...'}, or nil when there is no window to trust;
--       with a third key also the list, '' when there is none.
--       Entries below the cursor in falling ms; those of one ms in no order and all of them.
--       Two texts, for a client reads one text much faster than sixty replies.
-- Cost  one trip; 10 us and 0.3 us an entry.
local function skeleton(keys, args)
    local window, hidden_key = keys[1], keys[2]
    local holder, floor, others = state_of(window)
    if holder ~= 'floor' then return nil end

    local hidden = {}
    if others == 2 then
        hidden = redis.pcall('SMEMBERS', hidden_key)
        if hidden.err or #hidden == 0 then
            redis.call('DEL', window, hidden_key)
            return nil
        end
    end
    if redis.call('TTL', window) < REFRESHED_BELOW_SECONDS then
        redis.call('EXPIRE', window, KEPT_SECONDS)
        redis.call('EXPIRE', hidden_key, KEPT_SECONDS)
    end

    local entries, from, unseen = {}, '+inf', table.concat(hidden, ',')
    local before_ms, before_id, count = args[1], args[2], tonumber(args[3])
    if before_ms ~= '' then
        if tonumber(before_ms) <= tonumber(floor) then
            return {floor, '', unseen, list_at(keys[3])}
        end
        for _, id in ipairs(redis.call('ZRANGE', window, before_ms, before_ms, 'BYSCORE')) do
            if smaller(id, before_id) then
                entries[#entries + 1] = before_ms
                entries[#entries + 1] = id
            end
        end
        from = '(' .. before_ms
    end

    local rest = redis.call('ZRANGE', window, from, '(' .. floor, 'BYSCORE', 'REV',
        'LIMIT', 0, count + 1, 'WITHSCORES')
    local kept = math.min(#rest, 2 * count)
    local last = rest[kept]
    local cut = #rest > kept and rest[#rest] == last  -- the slice would end among equals
    for at = 1, kept, 2 do
        if not (cut and rest[at + 1] == last) then
            entries[#entries + 1] = rest[at + 1]
            entries[#entries + 1] = rest[at]
        end
    end
    if cut then
        for _, id in ipairs(redis.call('ZRANGE', window, last, last, 'BYSCORE')) do
            entries[#entries + 1] = last
            entries[#entries + 1] = id
        end
    end
    return {floor, table.concat(entries, ','), unseen, list_at(keys[3])}
end

-- push: put a published post into windows that exist and reach that far down.
-- KEYS  1.. windows, at most 128
-- ARGV  1 cap  2 ms  3 post id
-- Reply {windows that got the entry, windows that are absent, windows whose floor is not below ms}.
--       What remains of the windows had the entry before.
-- Cost  two commands a window that exists, a third more than a plain ZADD; 1 us one that does not.
local function push(keys, args)
    local cap, ms, id = tonumber(args[1]), args[2], args[3]
    local moment, most = tonumber(ms), cap + math.floor(cap / 10)
    local looks = moment % math.max(1, math.floor(cap / LOOKS_PER_CAP)) == 0
    local call, try, tonumber, type = redis.call, redis.pcall, tonumber, type  -- looked up once
    local landed, absent, below = 0, 0, 0
    for at = 1, #keys do
        local window, holder = keys[at], 'floor'
        -- The members below the floor are first: it is found without looking at any entry.
        local floor = try('ZSCORE', window, holder)
        if type(floor) ~= 'string' and (floor or call('EXISTS', window) == 1) then
            holder, floor = state_of(window)
        end
        if not floor then
            absent = absent + 1
        elseif moment > tonumber(floor) then
            -- LT: of two publications of one post the lower counts, whichever comes first.
            landed = landed + call('ZADD', window, 'LT', ms, id)
            if looks and call('ZCARD', window) > most then
                local _, _, others = state_of(window)
                trim(window, holder, floor, call('ZCARD', window) - others, cap)
            end
        else
            below = below + 1
            -- A later publication may stand here; Postgres shows the post below the floor.
            call('ZREM', window, id)
        end
    end
    return {landed, absent, below}
end

-- floors: how far down windows reach.
-- KEYS  1.. windows, at most 128
-- Reply for each its floor, '' where there is no window.
-- Cost  1 us a window.
local function floors(keys)
    local found = {}
    for at, window in ipairs(keys) do
        local holder, floor = state_of(window)
        found[at] = holder and floor or ''
    end
    return found
end

-- begin_build: put a token in place of an absent window; pushes land from now on.
-- KEYS  1 window  2 hidden
-- ARGV  1 token  2 seconds after which the build counts as lost
-- Reply 1, or 0 when there is a window or somebody else builds it.
-- Cost  5 us.
local function begin_build(keys, args)
    if state_of(keys[1]) then return 0 end
    redis.call('DEL', keys[2])
    redis.call('ZADD', keys[1], 0, 'building:' .. args[1])
    redis.call('EXPIRE', keys[1], args[2])
    return 1
end

-- give_up: take away the token of a build that failed, so that the next reader's is no miss for long.
-- KEYS  1 window
-- ARGV  1 token
-- Reply 1, or 0 when it does not stand there any more.
-- Cost  3 us.
local function give_up(keys, args)
    if state_of(keys[1]) ~= 'building:' .. args[1] then return 0 end
    return redis.call('DEL', keys[1])
end

-- merge: add what Postgres holds; with a token it ends that build.
-- KEYS  1 window
-- ARGV  1 token, or '' for a backfill  2 floor of what was read  3 cap  4.. ms, post id, ...
-- Reply 1, or 0 when there is no window, or the token is no longer ours.
-- Cost  10 us and 2 us an entry.
local function merge(keys, args)
    local window, token, to, cap = keys[1], args[1], args[2], tonumber(args[3])
    local holder, floor, others = state_of(window)
    if not holder or (token ~= '' and holder ~= 'building:' .. token) then return 0 end

    if tonumber(to) > tonumber(floor) then
        raise(window, holder, floor, to)
        floor = to
    end
    -- Trimmed as it grows: a window that once was longer than the server packs stays unpacked for
    -- the rest of its life, in four times the memory.
    local several = math.min(2 * math.max(math.floor(cap / 16), 1), MOST_UNPACKED)
    for first = 4, #args, several do
        local added = {}
        for at = first, math.min(first + several - 1, #args), 2 do
            if tonumber(args[at]) > tonumber(floor) then
                added[#added + 1] = args[at]
                added[#added + 1] = args[at + 1]
            end
        end
        if #added > 0 then
            redis.call('ZADD', window, 'LT', unpack(added))
            floor = trim(window, holder, floor, redis.call('ZCARD', window) - others, cap)
        end
    end
    if token ~= '' then
        redis.call('ZADD', window, floor, 'floor')
        redis.call('ZREM', window, holder)
        redis.call('EXPIRE', window, KEPT_SECONDS)
    end
    return 1
end

-- hide: from now on this viewer sees nothing of an author.
-- KEYS  1 window  2 hidden
-- ARGV  1 author
-- Reply 1, or 0 when there is no window: one built later does not have the author's posts.
-- Cost  8 us.
local function hide(keys, args)
    local window, hidden = keys[1], keys[2]
    local holder, _, others = state_of(window)
    if not holder then return 0 end
    local known = redis.pcall('SCARD', hidden)
    local lost = type(known) == 'table' or (others == 2 and known == 0)
    if lost or known >= MOST_HIDDEN then
        redis.call('DEL', window, hidden)
        return 0
    end
    if others == 1 then redis.call('DEL', hidden) end
    redis.call('SADD', hidden, args[1])
    redis.call('EXPIRE', hidden, KEPT_SECONDS)
    redis.call('ZADD', window, '-inf', 'hides')
    return 1
end

-- unhide: the viewer sees this author again.
-- KEYS  1 window  2 hidden
-- ARGV  1 author
-- Reply 1 when the author was hidden, else 0.
-- Cost  5 us.
local function unhide(keys, args)
    local window, hidden = keys[1], keys[2]
    local _, _, others = state_of(window)
    if others ~= 2 then return 0 end
    local removed = redis.pcall('SREM', hidden, args[1])
    if type(removed) == 'table' then
        redis.call('DEL', window, hidden)
        return 0
    end
    if removed == 1 and redis.call('EXISTS', hidden) == 0 then redis.call('ZREM', window, 'hides') end
    return removed
end

-- remove: take posts out of windows, whatever their publication.
-- KEYS  1.. windows, at most 128
-- ARGV  1.. post ids
-- Reply how many entries went.
-- Cost  5 us a window and post.
local function remove(keys, args)
    local removed = 0
    for _, window in ipairs(keys) do
        if state_of(window) then removed = removed + redis.call('ZREM', window, unpack(args)) end
    end
    return removed
end

-- drop: forget keys, whatever they hold.
-- KEYS  1.. keys of one slot
-- Reply how many there were.
-- Cost  2 us a key.
local function drop(keys)
    return redis.call('DEL', unpack(keys))
end

redis.register_function('skeleton_$VERSION', skeleton)
redis.register_function('push_$VERSION', push)
redis.register_function('floors_$VERSION', floors)
redis.register_function('begin_build_$VERSION', begin_build)
redis.register_function('give_up_$VERSION', give_up)
redis.register_function('merge_$VERSION', merge)
redis.register_function('hide_$VERSION', hide)
redis.register_function('unhide_$VERSION', unhide)
redis.register_function('remove_$VERSION', remove)
redis.register_function('drop_$VERSION', drop)
