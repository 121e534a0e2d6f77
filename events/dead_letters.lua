#!lua name=heliograph_dead_letters_$VERSION
-- What becomes of a delivery that could not be done. All keys of a call carry one hash tag.
--
-- A shelf is a hash, name -> letter, and a sorted set of the same names, all of score 0, so that
-- the names of a role stand together and in order. A name is 'role topic position'.

local RETRIED_IDLE_MS = 86400000  -- more than any lease, so that the next reclaim takes it over

-- bury: put a delivery among the dead letters and acknowledge it, in one step.
-- KEYS  1 the dead  2 their order  3 what its letter was when it was last retried  4 stream
-- ARGV  1 group  2 consumer  3 entry id  4 name  5 the letter
-- Reply 1, or 0 when the delivery is no longer this consumer's to bury: somebody else has it, or
--       did it. Cost 8 us.
local function bury(keys, args)
    local group, consumer, entry_id, name = unpack(args)
    if #redis.call('XPENDING', keys[4], group, entry_id, entry_id, 1, consumer) == 0 then
        return 0
    end
    redis.call('HSET', keys[1], name, args[5])
    redis.call('ZADD', keys[2], 0, name)
    redis.call('DEL', keys[3])
    redis.call('XACK', keys[4], group, entry_id)
    return 1
end

-- retry: give a delivery back to its group, as if it had never been tried, and take its letter away.
-- KEYS  1 the dead  2 their order  3 the dropped  4 their order  5 notices to keep
--       6 where the letter is kept  7 stream
-- ARGV  1 group  2 entry id  3 name  4 how long the letter is kept (s)  5 as drop's fourth
-- Reply 'retried' | 'gone' the entry stands no more, and so the letter stays | 'missing' no letter
-- Cost  12 us. The error NOGROUP leaves everything as it was.
local function retry(keys, args)
    local group, entry_id, name = unpack(args)
    local letter = redis.call('HGET', keys[1], name) or redis.call('HGET', keys[3], name)
    if not letter then return 'missing' end
    if #redis.call('XRANGE', keys[7], entry_id, entry_id) == 0 then return 'gone' end
    redis.call('XCLAIM', keys[7], group, 'retry', 0, entry_id, 'IDLE', RETRIED_IDLE_MS,
               'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
    redis.call('SET', keys[6], letter, 'EX', args[4])
    redis.call('HDEL', keys[1], name)
    redis.call('ZREM', keys[2], name)
    redis.call('HDEL', keys[3], name)
    redis.call('ZREM', keys[4], name)
    redis.call('ZREM', keys[5], args[5])
    return 'retried'
end

-- drop: move a letter from the dead to the dropped, if it is still the one that was looked at.
-- KEYS  1 the dead  2 their order  3 the dropped  4 their order  5 notices to keep
-- ARGV  1 name  2 the letter as it was read  3 the same with who dropped it and why
--       4 'position role' of the notice to keep, or ''
-- Reply 'dropped' | 'changed' it is another by now, or none. Cost 6 us.
local function drop(keys, args)
    local name = args[1]
    if redis.call('HGET', keys[1], name) ~= args[2] then return 'changed' end
    redis.call('HSET', keys[3], name, args[3])
    redis.call('ZADD', keys[4], 0, name)
    redis.call('HDEL', keys[1], name)
    redis.call('ZREM', keys[2], name)
    if args[4] ~= '' then redis.call('ZADD', keys[5], 0, args[4]) end
    return 'dropped'
end

redis.register_function('bury_$VERSION', bury)
redis.register_function('retry_$VERSION', retry)
redis.register_function('drop_$VERSION', drop)
