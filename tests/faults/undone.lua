-- What each stream of a partition holds and what each of its groups has still to do, at one moment.
--
-- Keys   streams
-- Args   for each: the last id already told ('-' for none)
-- Reply  for each stream: its first id ('' when empty), the ids after the one told,
--        and name and oldest undone id ('' for none) of each group
-- Cost   as much as is new; for a watcher, never for a site

local reply = {}
for place, key in ipairs(KEYS) do
    local told = {'', {}, {}}
    if redis.call('EXISTS', key) == 1 then
        local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
        told[1] = first and first[1] or ''
        local since = ARGV[place] == '-' and '-' or '(' .. ARGV[place]
        for _, entry in ipairs(redis.call('XRANGE', key, since, '+')) do
            table.insert(told[2], entry[1])
        end
        for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
            local known = {}
            for at = 1, #group, 2 do
                known[group[at]] = group[at + 1]
            end
            local next = redis.call('XRANGE', key, '(' .. known['last-delivered-id'], '+', 'COUNT', 1)
            local oldest = next[1] and next[1][1] or ''
            if known['pending'] > 0 then
                oldest = redis.call('XPENDING', key, known['name'])[2]
            end
            table.insert(told[3], known['name'])
            table.insert(told[3], oldest)
        end
    end
    table.insert(reply, told)
end
return reply
