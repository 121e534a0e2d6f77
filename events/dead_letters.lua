#!lua name=heliograph_dead_letters_$VERSION
-- What becomes of a delivery that could not be done. All keys of a call carry one hash tag.
--
-- A shelf is a hash, name -> letter, and a sorted set of the same names, all of score 0, so that
-- the names of a role stand together and in order. A name is 'role topic position'.

local RETRIED_IDLE_MS = 86400000  -- more than any lease, so that the next reclaim takes it over

local function is_pending(stream, group, entry_id, consumer)
    return #redis.call('XPENDING', stream, group, entry_id, entry_id, 1, consumer) == 1
end

-- bury: put a delivery among the dead letters and acknowledge it, in one step.
-- KEYS  1 dead letters  2 their order  3 stream
-- ARGV  1 group  2 consumer  3 entry id  4 name  5 the letter
-- Reply 1, or 0 when the delivery is no longer this consumer's to bury: somebody else has it, or
--       did it. Cost 8 us. A letter that is already there is replaced by its newer self.
local function bury(keys, args)
    if not is_pending(keys[3], args[1], args[3], args[2]) then return 0 end
    redis.call('HSET', keys[1], args[4], args[5])
    redis.call('ZADD', keys[2], 0, args[4])
    redis.call('XACK', keys[3], args[1], args[3])
    return 1
end

redis.register_function('bury_$VERSION', bury)
