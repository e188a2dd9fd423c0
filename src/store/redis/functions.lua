#!lua name=lethe_1
-- What lethe changes in Redis, it changes in these functions: each runs alone and is replicated and
-- logged as one. A change of this text needs another number, here and in functions.cpp: gateways
-- of both versions may use one server.
--
-- A record is one string (record.hpp says how it lies): prefix .. 'r:' .. key. The keys of a
-- subject's records stand in a sorted set, all with score 0 so that they are in the order of their
-- bytes: prefix .. 's:' .. subject. Every live record with a subject is in its set, and the set
-- does not expire before it; a name in a set may be of a record that is gone or has moved on, which
-- who reads it must find out. Such names leave when their record is erased or taken over, and a few
-- whenever a name is added.
--
-- In a cluster a subject's set is on another node than its records, so that no function can change
-- both; the bytes of the prefix are then '' and the functions leave the sets alone. Gateways name a
-- record in its set before they put it, by index_add. When each name was added stands in a second
-- sorted set; a name is removed only when its record was found gone and nobody has added it since.
-- A put that was named too long ago is refused, so that none comes after its name was removed.
--
-- Answers of a change: 1 when it was done; else what is there, or null.

local head_bytes = 19
local front_bytes = 19 + 512
-- Names looked at for each that is added: then no more than a third of a set is of records gone.
local looked_at_per_name = 3
-- How long a name stays, whatever becomes of its record; far above what a put may be late.
local name_stays_millis = 600 * 1000
local names_due = 4
-- What one transaction may read.
local read_bytes_max = 64 * 1024 * 1024

-- The server's clock judges what has expired: one for all gateways.
local function now_millis()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Version and subject of a live record, or nothing.
local function look(key, now)
  local front = redis.call('GETRANGE', key, 0, front_bytes - 1)
  if front == '' then return nil end
  if #front < head_bytes or front:byte(1) ~= 1 then
    error({err = 'LETHECORRUPT a record that lethe did not write'})
  end
  local expires, subject_bytes = struct.unpack('>I8I2', front, 10)
  if #front < head_bytes + subject_bytes then
    error({err = 'LETHECORRUPT a record that lethe did not write'})
  end
  if expires <= now then return nil end
  return front:sub(2, 9), front:sub(head_bytes + 1, head_bytes + subject_bytes)
end

-- '' anything, '-' absent, else a version.
local function met(expect, version)
  if expect == '' then return true end
  if expect == '-' then return not version end
  return expect == version
end

-- Whether a name in a subject's set is of a live record. One that cannot be read is not judged here.
local function is_of(record_key, subject, now)
  local readable, version, present_subject = pcall(look, record_key, now)
  return not readable or version and present_subject == subject
end

-- The set must outlive each record it names. It is prolonged by more than is needed, so that not
-- every change of a record changes the set's expiry, too.
local function prolong(set, expires, now)
  if redis.call('PEXPIRETIME', set) < expires then
    redis.call('PEXPIREAT', set, expires + math.floor((expires - now) / 8) + 1000)
  end
end

local function add_name(prefix, subject, name, expires, now)
  local set = prefix .. 's:' .. subject
  if redis.call('ZADD', set, 0, name) == 1 then
    for _, other in ipairs(redis.call('ZRANDMEMBER', set, looked_at_per_name)) do
      if other ~= name and not is_of(prefix .. 'r:' .. other, subject, now) then
        redis.call('ZREM', set, other)
      end
    end
  end
  prolong(set, expires, now)
end

-- The record is changed by now: nothing here may end the function.
local function drop_name(prefix, subject, name)
  if subject and subject ~= '' then redis.pcall('ZREM', prefix .. 's:' .. subject, name) end
end

local function compose(version, expires, subject, value)
  return '\1' .. version .. struct.pack('>I8I2', expires, #subject) .. subject .. value
end

-- A string expires in the millisecond after the one it is given; a record at its own.
local function write(key, prefix_bytes, old_subject, ttl, version, subject, value, now)
  local expires = now + ttl
  local stored = compose(version, expires, subject, value)
  if not prefix_bytes then
    redis.call('SET', key, stored, 'PXAT', expires - 1)
    return
  end
  local prefix, name = key:sub(1, prefix_bytes), key:sub(prefix_bytes + 3)
  if subject ~= '' then add_name(prefix, subject, name, expires, now) end
  redis.call('SET', key, stored, 'PXAT', expires - 1)
  if old_subject ~= subject then drop_name(prefix, old_subject, name) end
end

local function remove(key, prefix_bytes, subject)
  redis.call('DEL', key)
  if not prefix_bytes then return end
  drop_name(key:sub(1, prefix_bytes), subject, key:sub(prefix_bytes + 3))
end

local function move_expiry(key, prefix_bytes, subject, ttl, now)
  local expires = now + ttl
  if subject ~= '' and prefix_bytes then
    prolong(key:sub(1, prefix_bytes) .. 's:' .. subject, expires, now)
  end
  local before = redis.call('GETRANGE', key, 9, 16)
  redis.call('SETRANGE', key, 9, struct.pack('>I8', expires))
  local moved = redis.pcall('PEXPIREAT', key, expires - 1)
  if type(moved) == 'table' and moved.err then
    -- Who may do the one may be forbidden the other.
    redis.call('SETRANGE', key, 9, before)
    error(moved)
  end
end

-- KEYS: the record. ARGV: bytes of the prefix, expectation, ttl, new version, subject, value; in a
-- cluster also the last moment.
local function put(keys, args)
  local now = now_millis()
  if args[7] and now > tonumber(args[7]) then
    error({err = 'LETHELATE the record was named too long ago or the clocks of the nodes differ'})
  end
  local key = keys[1]
  local version, old_subject = look(key, now)
  if not met(args[2], version) then return version and redis.call('GET', key) or false end
  write(key, tonumber(args[1]), old_subject, tonumber(args[3]), args[4], args[5], args[6], now)
  return 1
end

-- KEYS: the record. ARGV: bytes of the prefix, expectation.
local function erase(keys, args)
  local key = keys[1]
  local version, subject = look(key, now_millis())
  if not met(args[2], version) then return version and redis.call('GET', key) or false end
  if version then remove(key, tonumber(args[1]), subject) end
  return 1
end

-- KEYS: the record. ARGV: bytes of the prefix, ttl; in a cluster also the subject whose set was
-- prolonged. Answers 2 and the record's subject when that is another.
local function touch(keys, args)
  local now = now_millis()
  local version, subject = look(keys[1], now)
  if not version then return false end
  if args[3] and subject ~= '' and subject ~= args[3] then return {2, subject} end
  move_expiry(keys[1], tonumber(args[1]), subject, tonumber(args[2]), now)
  return 1
end

-- What a transaction will have made of a record, before anything is changed.
local function foresee(key, now)
  local version, subject = look(key, now)
  return version and {version = version, subject = subject} or false
end

local function whole(there, key)
  if not there then return false end
  local stored = there.stored or redis.call('GET', key)
  if there.expires then
    stored = stored:sub(1, 9) .. struct.pack('>I8', there.expires) .. stored:sub(18)
  end
  return stored
end

-- Ends the function while nothing is changed when a later step could not be done: users of the
-- server may be forbidden some commands, and a set's name may be taken by something else.
local function must_be_able_to(kind, key, prefix_bytes, subject)
  local commands = {p = {{'SET', key, ''}}, e = {{'DEL', key}}, t = {{'SETRANGE', key, '9', ''},
                    {'PEXPIREAT', key, '1'}}}
  local steps = commands[kind] or {}
  if subject and subject ~= '' then
    local set = key:sub(1, prefix_bytes) .. 's:' .. subject
    redis.call('ZCARD', set)
    if kind == 'p' then table.insert(steps, {'ZADD', set, '0', ''}) end
    table.insert(steps, {'PEXPIREAT', set, '1'})
  end
  for _, step in ipairs(steps) do
    if not redis.acl_check_cmd(unpack(step)) then
      error({err = 'NOPERM a command that lethe needs is forbidden to its user'})
    end
  end
end

-- KEYS: the record of each operation. ARGV: bytes of the prefix, a letter for each operation, then
-- what each needs: p expectation, ttl, new version, subject, value; e expectation; t ttl; g nothing.
local function transact(keys, args)
  local now = now_millis()
  local prefix_bytes, kinds = tonumber(args[1]), args[2]
  local seen, answers, steps = {}, {}, {}
  local at, all, read_bytes = 3, true, 0
  local function take(count)
    at = at + count
    return unpack(args, at - count, at - 1)
  end
  local function show(there, key)
    local stored = whole(there, key)
    read_bytes = read_bytes + (stored and #stored or 0)
    if read_bytes > read_bytes_max then
      error({err = 'LETHETOOLARGE a transaction that reads so much'})
    end
    return stored
  end
  for i, key in ipairs(keys) do
    local kind = kinds:sub(i, i)
    if seen[key] == nil then seen[key] = foresee(key, now) end
    local there = seen[key]
    local version = there and there.version
    local done = true
    if kind == 'g' then
      answers[i] = show(there, key)
    elseif kind == 'p' then
      local expect, ttl, new_version, subject, value = take(5)
      done = met(expect, version)
      if done then
        local stored = compose(new_version, now + tonumber(ttl), subject, value)
        seen[key] = {version = new_version, subject = subject, stored = stored}
        must_be_able_to(kind, key, prefix_bytes, subject)
        steps[i] = {ttl, new_version, subject, value}
      end
    elseif kind == 'e' then
      done = met(take(1), version)
      if done then
        must_be_able_to(kind, key, prefix_bytes, nil)
        seen[key] = false
      end
    else
      local ttl = take(1)
      done = there and true or false
      if done then
        must_be_able_to(kind, key, prefix_bytes, there.subject)
        seen[key] = {version = version, subject = there.subject, stored = there.stored,
                     expires = now + tonumber(ttl)}
        steps[i] = {ttl}
      end
    end
    if kind ~= 'g' then answers[i] = done and 1 or kind ~= 't' and show(there, key) end
    all = all and done
  end
  if not all then return answers end
  for i, key in ipairs(keys) do
    local kind, step = kinds:sub(i, i), steps[i]
    if kind ~= 'g' then
      local version, subject = look(key, now)
      if kind == 'p' then
        write(key, prefix_bytes, subject, tonumber(step[1]), step[2], step[3], step[4], now)
      elseif kind == 'e' then
        if version then remove(key, prefix_bytes, subject) end
      elseif version then
        move_expiry(key, prefix_bytes, subject, tonumber(step[1]), now)
      end
    end
  end
  return answers
end

-- KEYS: the set of a subject. ARGV: bytes of the prefix, first key, end of the keys, keys wanted,
-- names to look at. Answers the live records, whether names may be left behind the last one that
-- was looked at (else null), and how many were of records that are gone.
local function list(keys, args)
  local now = now_millis()
  local set, prefix_bytes = keys[1], tonumber(args[1])
  local prefix, subject = set:sub(1, prefix_bytes), set:sub(prefix_bytes + 3)
  local wanted, limit = tonumber(args[4]), tonumber(args[5])
  local names =
    redis.call('ZRANGE', set, '[' .. args[2], '(' .. args[3], 'BYLEX', 'LIMIT', 0, limit)
  local live, gone, last = {}, 0, false
  for i, name in ipairs(names) do
    if is_of(prefix .. 'r:' .. name, subject, now) then
      live[#live + 1] = name
    else
      gone = gone + 1
    end
    last = name
    if #live == wanted then return {live, last, gone} end
  end
  return {live, #names == limit and last, gone}
end

-- KEYS: the set of a subject. ARGV: bytes of the prefix, first key, names to look at. Removes the
-- names of records that are gone: how many, and the last name that was looked at, null when there
-- are no more.
local function trim(keys, args)
  local now = now_millis()
  local set, prefix_bytes, limit = keys[1], tonumber(args[1]), tonumber(args[3])
  local prefix, subject = set:sub(1, prefix_bytes), set:sub(prefix_bytes + 3)
  local names = redis.call('ZRANGE', set, '[' .. args[2], '+', 'BYLEX', 'LIMIT', 0, limit)
  local removed = 0
  for _, name in ipairs(names) do
    if not is_of(prefix .. 'r:' .. name, subject, now) then
      removed = removed + redis.call('ZREM', set, name)
    end
  end
  return {removed, #names == limit and names[#names]}
end

local function prolong_both(keys, ttl, now)
  local expires = now + tonumber(ttl) + name_stays_millis
  for _, key in ipairs(keys) do prolong(key, expires, now) end
end

-- KEYS: the set of a subject, when its names were added. ARGV: name, ttl of the record. Answers this
-- node's time, and a few names whose records may be gone, each with its moment.
local function index_add(keys, args)
  local now = now_millis()
  local due = redis.call('ZRANGE', keys[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, names_due,
                         'WITHSCORES')
  redis.call('ZADD', keys[1], 0, args[1])
  redis.call('ZADD', keys[2], now + name_stays_millis, args[1])
  prolong_both(keys, args[2], now)
  return {now, due}
end

-- KEYS: as above. ARGV: ttl of a record that is named there.
local function index_prolong(keys, args)
  prolong_both(keys, args[1], now_millis())
  return 1
end

-- KEYS: as above. ARGV: how many. Names whose records may be gone, each with its moment.
local function index_due(keys, args)
  return redis.call('ZRANGE', keys[2], '-inf', now_millis(), 'BYSCORE', 'LIMIT', 0, args[1],
                    'WITHSCORES')
end

-- KEYS: as above. ARGV: for each name that was looked after: it, its moment as it was then, and its
-- next moment, '' when its record is gone. How many were removed.
local function index_settle(keys, args)
  local removed = 0
  for i = 1, #args, 3 do
    if redis.call('ZSCORE', keys[2], args[i]) == args[i + 1] then
      if args[i + 2] == '' then
        redis.call('ZREM', keys[2], args[i])
        removed = removed + redis.call('ZREM', keys[1], args[i])
      else
        redis.call('ZADD', keys[2], args[i + 2], args[i])
      end
    end
  end
  return removed
end

redis.register_function('lethe_1_put', put)
redis.register_function{function_name = 'lethe_1_erase', callback = erase, flags = {'allow-oom'}}
redis.register_function('lethe_1_touch', touch)
redis.register_function('lethe_1_transact', transact)
redis.register_function{function_name = 'lethe_1_list', callback = list, flags = {'no-writes'}}
redis.register_function{function_name = 'lethe_1_trim', callback = trim, flags = {'allow-oom'}}
redis.register_function('lethe_1_index_add', index_add)
redis.register_function('lethe_1_index_prolong', index_prolong)
redis.register_function{
  function_name = 'lethe_1_index_due', callback = index_due, flags = {'no-writes'}}
redis.register_function{
  function_name = 'lethe_1_index_settle', callback = index_settle, flags = {'allow-oom'}}
