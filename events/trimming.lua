#!lua name=heliograph_trimming_$VERSION
-- What a log lets go, because it is done, or archived, or nobody is there any more. All keys of a
-- call carry one partition's hash tag.

local GAP_ENTRIES = 1000  -- dropped one by one in a call, about 1 ms
local SAMPLES = 100       -- nodes of a stream that are weighed to tell its size, 20 us

local function split(position)
    local ms, sequence = string.match(position, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(sequence)
end

local function now_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The named fields of what XINFO tells as a flat list.
local function fields_of(told)
    local fields = {}
    for i = 1, #told, 2 do fields[told[i]] = told[i + 1] end
    return fields
end

-- retire: remove a group's consumers that were not heard of for long and hold nothing. In one step,
-- for removing one drops what it holds. One that only seemed dead is made again when it next reads.
-- KEYS  1 stream   ARGV  1 group  2 silence (ms)
-- Reply their names. Cost about 3 us, and 1 us a consumer.
local function retire(keys, args)
    local consumers = redis.pcall('XINFO', 'CONSUMERS', keys[1], args[1])
    if consumers.err then return {} end  -- no such group yet
    local retired = {}
    for _, told in ipairs(consumers) do
        local consumer = fields_of(told)
        if consumer.pending == 0 and consumer.idle >= tonumber(args[2]) then
            redis.call('XGROUP', 'DELCONSUMER', keys[1], args[1], consumer.name)
            retired[#retired + 1] = consumer.name
        end
    end
    return retired
end

-- Every group of a stream, by name: the last entry that was given to it. Empty without a stream.
local function groups_of(stream)
    local groups = {}
    local told = redis.pcall('XINFO', 'GROUPS', stream)
    for _, each in ipairs(told.err and {} or told) do
        local group = fields_of(each)
        groups[group.name] = group['last-delivered-id']
    end
    return groups
end

local function is_before(one, other)
    local ms, sequence = split(one)
    local other_ms, other_sequence = split(other)
    return ms < other_ms or (ms == other_ms and sequence < other_sequence)
end

-- The first entry that a role has in hand or was not given yet, or nil; `given` is the last that it
-- was given, nil without a group.
local function first_waiting(stream, role, given)
    local pending = given and redis.call('XPENDING', stream, role) or {0}
    if pending[1] > 0 then return pending[2] end
    local entry = redis.call('XRANGE', stream, given and '(' .. given or '-', '+', 'COUNT', 1)[1]
    return entry and entry[1]
end

-- The first entry of a topic whose effect for a role does not stand, or nil: it waits, or is buried
-- and perhaps to be retried.
local function first_undone(order, stream, role, topic, given)
    local first = first_waiting(stream, role, given)
    local kin = role .. ' ' .. topic .. ' '
    local letter = redis.call('ZRANGEBYLEX', order, '[' .. kin, '(' .. kin .. '\127',
                              'LIMIT', 0, 1)[1]
    local buried = letter and string.format('%.0f-%.0f', split(string.sub(letter, #kin + 1)))
    if buried and not (first and is_before(first, buried)) then first = buried end
    return first
end

-- Drop what stands before the bound, except at the positions to keep, which are in order. Of a long
-- gap between two of those only the beginning; the rest in the next rounds.
local function trim_around(stream, kept, bound)
    local from
    for i = 1, #kept + 1 do
        local position = kept[i] and string.format('%.0f-%.0f', split(string.match(kept[i], '^%S+')))
        local to = position and is_before(position, bound) and position or bound
        if not from then
            redis.call('XTRIM', stream, 'MINID', '=', to)
        else
            local past = redis.call('XRANGE', stream, '(' .. from, '(' .. to, 'COUNT', GAP_ENTRIES)
            for _, entry in ipairs(past) do redis.call('XDEL', stream, entry[1]) end
        end
        if to == bound then return end
        from = to
    end
end

-- trim: drop the entries of a stream that are old enough and whose effect stands everywhere: in
-- the roles that are named, with or without a group yet, and in every group that there is.
-- KEYS  1 stream to trim  2 order of the dead letters  3 positions to keep, each alone
--       4.. streams of topics
-- ARGV  1 age to keep (ms)  2.. role, topic, role, topic, ... of the streams, in their order
-- Reply 1. Cost about 10 us a role and topic, 2 us a position to keep.
local function trim(keys, args)
    local bound = string.format('%.0f-0', now_ms() - tonumber(args[1]))
    for i = 4, #keys do
        local role, topic = args[2 * i - 6], args[2 * i - 5]
        local groups = groups_of(keys[i])
        local roles = {[role] = groups[role] or false}
        for name, given in pairs(groups) do roles[name] = given end
        for name, given in pairs(roles) do
            local first = first_undone(keys[2], keys[i], name, topic, given)
            if first and is_before(first, bound) then bound = first end
        end
    end
    trim_around(keys[1], redis.call('ZRANGE', keys[3], 0, -1), bound)
    return 1
end

-- Of every role, the positions of its letters of a topic from one position to another, among names.
local function letters_between(order, topic, low, high, among)
    local from = '-'
    while true do
        local name = redis.call('ZRANGEBYLEX', order, from, '+', 'LIMIT', 0, 1)[1]
        if not name then return end
        local role, its_topic = string.match(name, '^(%S+) (%S+) ')
        local kin = role .. ' ' .. its_topic .. ' '
        if its_topic == topic then
            for _, letter in ipairs(redis.call('ZRANGEBYLEX', order, '[' .. kin .. low,
                                               '[' .. kin .. high)) do
                among[string.sub(letter, #kin + 1)] = true
            end
        end
        from = '(' .. kin .. '\127'
    end
end

-- As positions stand in the names of letters.
local function sortable(position)
    return string.format('%013.0f-%04.0f', split(position))
end

-- trim_topic: bring a topic's stream within its budget, as far as nobody needs what goes: it is old
-- enough, archived, done by every role that reads it, and no letter names it. Those that a letter
-- names stay, each alone. Nothing goes while a hold stands, or while a role has no group.
-- KEYS  1 stream  2 order of the dead letters  3 order of the dropped  4 archived  5 holds
-- ARGV  1 topic  2 age to keep (ms)  3 budget (bytes)  4 where to go on, or '-'  5 how many entries
--       to look at  6.. the roles that read it
-- Reply {state, bytes it had, how many were dropped, where to go on, what stops it, groups of
--       other roles, which count for nothing}
--       state: within | held | unarchived | groupless | needed | trimmed (and perhaps more to do)
-- Cost  40 us within the budget; else 6 us an entry looked at, 1 ms for 200.
local function trim_topic(keys, args)
    local stream, now = keys[1], now_ms()
    local groups, listed, unlisted = groups_of(stream), {}, {}
    for i = 6, #args do listed[args[i]] = true end
    for name in pairs(groups) do
        if not listed[name] then unlisted[#unlisted + 1] = name end
    end
    local bytes = redis.call('MEMORY', 'USAGE', stream, 'SAMPLES', SAMPLES) or 0
    local function told(state, dropped, position, stops)
        return {state, bytes, dropped, position, stops, unlisted}
    end

    if bytes <= tonumber(args[3]) then return told('within', 0, '', {}) end
    redis.call('ZREMRANGEBYSCORE', keys[5], '-inf', now)
    local holds = redis.call('ZRANGE', keys[5], 0, -1)
    if #holds > 0 then return told('held', 0, '', holds) end
    local archived = redis.call('HGET', keys[4], args[1])
    if not archived then return told('unarchived', 0, '', {}) end

    local ms, sequence = split(archived)
    local bound, stops = string.format('%.0f-%.0f', ms, sequence + 1), 'archive'
    local function no_further(position, why)
        if position and is_before(position, bound) then bound, stops = position, why end
    end
    no_further(string.format('%.0f-0', now - tonumber(args[2])), 'age')
    for role in pairs(listed) do
        if not groups[role] then return told('groupless', 0, '', {role}) end
        no_further(first_waiting(stream, role, groups[role]), role)
    end

    local from = args[4] == '-' and '-' or '(' .. args[4]
    local seen = redis.call('XRANGE', stream, from, '(' .. bound, 'COUNT', args[5])
    if #seen == 0 then return told('needed', 0, '', {stops}) end
    local kept, last = {}, seen[#seen][1]
    for i = 2, 3 do
        letters_between(keys[i], args[1], sortable(seen[1][1]), sortable(last), kept)
    end
    local most = math.ceil((1 - tonumber(args[3]) / bytes) * redis.call('XLEN', stream))
    local dropped = {}
    for _, entry in ipairs(seen) do
        if #dropped < most and not kept[sortable(entry[1])] then dropped[#dropped + 1] = entry[1] end
    end
    if #dropped > 0 then redis.call('XDEL', stream, unpack(dropped)) end
    return told('trimmed', #dropped, last, {})
end

-- archived: a topic is archived up to a position. Never set back.
-- KEYS  1 archived   ARGV  1 topic  2 position
-- Reply the position that stands. Cost 2 us.
local function archived(keys, args)
    local known = redis.call('HGET', keys[1], args[1])
    if known and not is_before(known, args[2]) then return known end
    redis.call('HSET', keys[1], args[1], args[2])
    return args[2]
end

-- hold: trim nothing of this partition's topics for a while, or until it is released.
-- KEYS  1 holds   ARGV  1 name  2 how long (ms)
-- Reply 1. Cost 2 us.
local function hold(keys, args)
    redis.call('ZADD', keys[1], string.format('%.0f', now_ms() + tonumber(args[2])), args[1])
    return 1
end

redis.register_function('retire_$VERSION', retire)
redis.register_function('trim_$VERSION', trim)
redis.register_function('trim_topic_$VERSION', trim_topic)
redis.register_function('archived_$VERSION', archived)
redis.register_function('hold_$VERSION', hold)
