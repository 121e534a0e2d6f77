#!lua name=heliograph_log_$VERSION
-- The log's server-side functions. All keys of a call carry one partition's hash tag.

local SEQUENCES = 1024            -- positions in one millisecond: 10 bits of an id
local MAX_HEAD_AHEAD_MS = 10000   -- a head further in the future means the server's clock went back
local MAX_CALLER_SKEW_MS = 5000   -- beyond this one of the two clocks is wrong, and ids would lie

local function split(position)
    local ms, sequence = string.match(position, '^(%d+)-(%d+)$')
    return tonumber(ms), tonumber(sequence)
end

local function now_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- append: record one event, once, and everything that must be true in the same instant.
-- KEYS  1 head  2 topic  3 idempotency record  4 notices  5 names  6 keys  7 revoked
-- ARGV  1 topic's name  2 caller's clock (Unix ms)  3 digest of the command  4 record's life (s)
--       5 '1' when it is a notice too
--       6 username to reserve or ''  7 wrapped key of the new account, 'destroy' for that of 8, or ''
--       8 position of the account that acts, whose key must still exist, or '' for announcements
--       9 revocation 'account|token|kept' or ''  10 how long revoked tokens could have lived (ms)
--       11.. field, value, ... of the entry
-- Reply {'ok', position} | {'replayed', position, topic} | {'reused'} | {'taken'} | {'erased'}
--       | {'clock', server's ms, head's ms}
-- Cost  one XADD and four to six hash look-ups, about 15 us.
local function append(keys, args)
    local record = redis.call('GET', keys[3])
    if record then
        local topic, position, digest = string.match(record, '^(%S+) (%S+) (%S+)$')
        if digest ~= args[3] then return {'reused'} end
        -- A write, so that a WAIT behind this call covers the first append too.
        redis.call('EXPIRE', keys[3], args[4])
        return {'replayed', position, topic}
    end
    if args[6] ~= '' and redis.call('HEXISTS', keys[5], args[6]) == 1 then return {'taken'} end
    if args[8] ~= '' and redis.call('HEXISTS', keys[6], args[8]) == 0 then return {'erased'} end

    local now = now_ms()
    local known = redis.call('HMGET', keys[1], 'head', args[1])
    local head_ms, head_sequence = split(known[1] or '0-0')
    local skew = now - tonumber(args[2])
    if head_ms - now > MAX_HEAD_AHEAD_MS or math.abs(skew) > MAX_CALLER_SKEW_MS then
        return {'clock', string.format('%.0f', now), string.format('%.0f', head_ms)}
    end
    local ms, sequence = now, 0
    if now <= head_ms then
        ms, sequence = head_ms, head_sequence + 1
        if sequence == SEQUENCES then ms, sequence = head_ms + 1, 0 end
    end
    local position = string.format('%.0f-%d', ms, sequence)

    -- The server takes nothing back when a call fails half-way: whatever can refuse is asked first.
    -- A stream that is ahead of the head, as after half a restore, would refuse the position.
    if args[5] == '1' and #redis.call('XRANGE', keys[4], position, '+', 'COUNT', 1) > 0 then
        return redis.error_reply('HEAD is behind ' .. keys[4])
    end
    if args[7] ~= '' then redis.call('HLEN', keys[6]) end
    if args[9] ~= '' then redis.call('ZCARD', keys[7]) end
    local entry = {'after', known[2] or '0-0'}
    for i = 11, #args do entry[#entry + 1] = args[i] end
    redis.call('XADD', keys[2], position, unpack(entry))

    -- Nothing below may fail: types were looked at, and memory was checked at the call.
    redis.call('HSET', keys[1], 'head', position, args[1], position)
    redis.call('SET', keys[3], args[1] .. ' ' .. position .. ' ' .. args[3], 'EX', args[4])
    if args[5] == '1' then
        redis.call('XADD', keys[4], position, 'topic', args[1], unpack(entry))
    end
    if args[6] ~= '' then redis.call('HSET', keys[5], args[6], position) end
    if args[7] == 'destroy' then redis.call('HDEL', keys[6], args[8])
    elseif args[7] ~= '' then redis.call('HSET', keys[6], position, args[7]) end
    if args[9] ~= '' then
        local expires = now + tonumber(args[10])
        redis.call('ZREMRANGEBYSCORE', keys[7], '-inf', string.format('%.0f', now))
        redis.call('ZADD', keys[7], string.format('%.0f', expires), args[9] .. '|' .. position)
    end
    return {'ok', position}
end

-- renew: keep the lease on entries that are still ours, without counting a delivery.
-- KEYS  1 stream   ARGV  1 group  2 consumer  3.. entry ids
-- Reply the ids that are no longer ours. Cost about 2 us an id.
local function renew(keys, args)
    local ours, lost = {}, {}
    for i = 3, #args do
        local pending = redis.call('XPENDING', keys[1], args[1], args[i], args[i], 1, args[2])
        local among = #pending == 1 and ours or lost
        among[#among + 1] = args[i]
    end
    if #ours > 0 then
        ours[#ours + 1] = 'JUSTID'
        redis.call('XCLAIM', keys[1], args[1], args[2], 0, unpack(ours))
    end
    return lost
end

-- begin: say which attempt is made at entries that are still ours, and give them. It is said, not
-- counted up: a call whose answer was lost is made again, and a stalled server may find many of it.
-- KEYS  1 stream   ARGV  1 group  2 consumer  3.. entry id, attempt, ...
-- Reply the entries; one that is missing became another's, is done, or was trimmed long ago.
-- Cost about 5 us an id.
local function begin(keys, args)
    local found = {}
    for i = 3, #args, 2 do
        local id, attempt = args[i], args[i + 1]
        if #redis.call('XPENDING', keys[1], args[1], id, id, 1, args[2]) == 1 then
            local claimed = redis.call('XCLAIM', keys[1], args[1], args[2], 0, id,
                                       'RETRYCOUNT', attempt)
            found[#found + 1] = claimed[1]
        end
    end
    return found
end

-- excuse: take back the count of an attempt that ended without failing. One delivery always counts.
-- KEYS  1 stream   ARGV  1 group  2 consumer  3.. entry ids
-- Reply 1. Cost about 4 us an id.
local function excuse(keys, args)
    for i = 3, #args do
        local row = redis.call('XPENDING', keys[1], args[1], args[i], args[i], 1, args[2])[1]
        if row and row[4] > 1 then
            redis.call('XCLAIM', keys[1], args[1], args[2], 0, args[i],
                       'RETRYCOUNT', row[4] - 1, 'JUSTID')
        end
    end
    return 1
end

-- reclaim: take over what nobody has renewed for a lease, without counting a delivery.
-- KEYS  1 stream   ARGV  1 group  2 consumer  3 lease (ms)  4 cursor  5 how many
-- Reply {next cursor, how many were taken over}. The cursor must be carried: a call looks at ten
-- times as many entries as it may take, and the oldest stand at the far end.
local function reclaim(keys, args)
    local reply = redis.call('XAUTOCLAIM', keys[1], args[1], args[2], args[3], args[4],
                             'COUNT', args[5], 'JUSTID')
    return {reply[1], #reply[2]}
end

redis.register_function('append_$VERSION', append)
redis.register_function('renew_$VERSION', renew)
redis.register_function('begin_$VERSION', begin)
redis.register_function('excuse_$VERSION', excuse)
redis.register_function('reclaim_$VERSION', reclaim)
