#!lua name=heliograph_outboxes_$VERSION
-- Beside outboxes, which are windows as in feeds.lua: whose there are, and who reads them.
--
-- The roll is a hash of all authors who have pulled posts. Field `seq` counts its changes; an
-- author's field says at which of them they joined, and at which their outbox last changed:
-- `joined,changed`. Field `id` tells one roll from the next; while one is made of what Postgres has
-- it is `building` instead, and readers treat that as no roll.
--
-- A list of followed authors is a text, `<roll's id>.<seq>:<author>,<author>,...`: those of the roll
-- as of that change whom a viewer follows; or `building:<token>`.

-- The roll's id and the token it is built under; neither where there is none.
local function roll_of(key)
    local found = redis.pcall('HMGET', key, 'id', 'building')
    if found.err then
        redis.call('DEL', key)
        return false, false
    end
    return found[1], found[2]
end

-- enter: something changed in an author's outbox.
-- KEYS  1 roll
-- ARGV  1 author
-- Reply 1, or 0 when there is no roll: one built later is built of rows that tell of the author.
-- Cost  5 us.
local function enter(keys, args)
    local id, token = roll_of(keys[1])
    if not (id or token) then return 0 end
    local seq = redis.call('HINCRBY', keys[1], 'seq', 1)
    local known = redis.call('HGET', keys[1], args[1])
    local joined = known and string.match(known, '^%d+') or seq
    redis.call('HSET', keys[1], args[1], joined .. ',' .. seq)
    return 1
end

-- leave: an author has no outbox any more.
-- KEYS  1 roll
-- ARGV  1 author
-- Reply 1 when the author was on the roll, else 0.
-- Cost  4 us.
local function leave(keys, args)
    local id, token = roll_of(keys[1])
    if not (id or token) then return 0 end
    redis.call('HINCRBY', keys[1], 'seq', 1)
    return redis.call('HDEL', keys[1], args[1])
end

-- begin_roll: put a token in place of an absent roll; who enters from now on is on it.
-- KEYS  1 roll
-- ARGV  1 token  2 seconds after which the building counts as lost
-- Reply 1, or 0 when there is a roll or somebody else makes it.
-- Cost  5 us.
local function begin_roll(keys, args)
    local id, token = roll_of(keys[1])
    if id or token then return 0 end
    redis.call('DEL', keys[1])
    redis.call('HSET', keys[1], 'building', args[1], 'seq', 0)
    redis.call('EXPIRE', keys[1], args[2])
    return 1
end

-- finish_roll: add those whom Postgres knows, and make it a roll.
-- KEYS  1 roll
-- ARGV  1 token  2.. authors
-- Reply 1, or 0 when the token is no longer ours.
-- Cost  5 us and 1 us an author.
local function finish_roll(keys, args)
    local _, token = roll_of(keys[1])
    if token ~= args[1] then return 0 end
    local seq = redis.call('HINCRBY', keys[1], 'seq', 1)
    for at = 2, #args do redis.call('HSETNX', keys[1], args[at], seq .. ',' .. seq) end
    redis.call('HDEL', keys[1], 'building')
    redis.call('HSET', keys[1], 'id', token)
    redis.call('PERSIST', keys[1])
    return 1
end

-- roll: everybody on it, unless the asker knows.
-- KEYS  1 roll
-- ARGV  1 id and 2 seq of the roll that the asker has, or ''
-- Reply {id, seq, 'author,joined,changed,...'}, {} when nothing changed, nil when there is none.
-- Cost  3 us; of what has changed 1 us an author.
local function roll(keys, args)
    local id = roll_of(keys[1])
    if not id then return nil end
    local seq = redis.call('HGET', keys[1], 'seq')
    if id == args[1] and seq == args[2] then return {} end
    local authors, fields = {}, redis.call('HGETALL', keys[1])
    for at = 1, #fields, 2 do
        if fields[at] ~= 'id' and fields[at] ~= 'seq' then
            authors[#authors + 1] = fields[at]
            authors[#authors + 1] = fields[at + 1]
        end
    end
    return {id, seq, table.concat(authors, ',')}
end

-- begin_list: put a token in place of a viewer's list, if it is still what was read.
-- KEYS  1 list
-- ARGV  1 the list as read, '' for none  2 token  3 seconds after which the token counts as lost
-- Reply 1, or 0 when the list is another by now.
-- Cost  3 us.
local function begin_list(keys, args)
    local found = redis.pcall('GET', keys[1])
    if type(found) == 'table' then
        redis.call('DEL', keys[1])
        found = false
    end
    if (found or '') ~= args[1] then return 0 end
    redis.call('SET', keys[1], 'building:' .. args[2], 'EX', args[3])
    return 1
end

-- finish_list: write what Postgres told, if nobody's follow has changed since.
-- KEYS  1 list
-- ARGV  1 token  2 list  3 seconds it is kept
-- Reply 1, or 0 when the token is no longer ours.
-- Cost  3 us.
local function finish_list(keys, args)
    if redis.pcall('GET', keys[1]) ~= 'building:' .. args[1] then return 0 end
    redis.call('SET', keys[1], args[2], 'EX', args[3])
    return 1
end

redis.register_function('enter_$VERSION', enter)
redis.register_function('leave_$VERSION', leave)
redis.register_function('begin_roll_$VERSION', begin_roll)
redis.register_function('finish_roll_$VERSION', finish_roll)
redis.register_function('roll_$VERSION', roll)
redis.register_function('begin_list_$VERSION', begin_list)
redis.register_function('finish_list_$VERSION', finish_list)
