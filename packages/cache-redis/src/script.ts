import { createHash } from "node:crypto";

/** Characters of a token: 22 of chance for each command, 8 of the server's time, 4 of the place in the command. */
export const tokenLength = 34;

/** The first byte of what a slot holds, then its token. None begins a text in UTF-8, so that foreign values are told apart. */
export const kinds = { reserved: 0xf8, plain: 0xf9, deflated: 0xfa } as const;

/** In an answer, in place of the first byte: no `RedisCache` wrote what was there, and an empty slot takes its place. */
export const foreign = 0xfb;

/** In place of a token: whatever stands. No token has such a character. */
export const anyToken = "*";

/** Bytes before a value: its kind, its token, and when it ends. */
export const headLength: number = 1 + tokenLength + 8;

/** More than this come one by one: as much as a client reads from its socket at a time. */
const mostPackedBytes = 65_536;

/**
 * One script does everything, so that a server either knows all of it or says NOSCRIPT to each call, and calls never
 * overtake one another.
 *
 * Each answer begins with the ids of the server's history (`INFO replication`: `master_replid`, `master_replid2`), which
 * a server changes when it is promoted or started anew: that is how another master is noticed before anything that it
 * says is believed. A replica refuses: what it holds may be older than what its master was told.
 *
 * A token is made of the caller's random bits and the server's time: a client that sends a call again after a reconnect,
 * unasked, does not leave the same token twice.
 *
 * A value's end (`PXAT`, milliseconds since the epoch by the server's clock) is also in the slot itself, as a double, and
 * an answer brings the server's time: asking for each key's `PTTL` would cost a read as much again as the values.
 * Puts come packed into one argument (`packed`): a client takes long to write many arguments that are bytes.
 *
 * The values of a read come packed into one too (MessagePack, by the `cmsgpack` that Redis gives its scripts), where they
 * are small: a client takes long to read many replies. Large ones would be copied once more for nothing, and each would
 * keep the others' bytes alive.
 *
 * A server that is full and evicts nothing (OOM) is no failure: a read leaves no token and a put with a token does not
 * land. Only a put that must replace what stands is refused.
 */
const source = `
local info = redis.pcall('INFO', 'replication')
local history = ''
if type(info) == 'string' then
  if string.find(info, 'role:slave', 1, true) then
    return redis.error_reply("READONLY a replica does not answer for the cache")
  end
  history = (string.match(info, 'master_replid:(%w+)') or '') .. ' ' .. (string.match(info, 'master_replid2:(%w+)') or '')
end
local op = ARGV[1]
local time = redis.call('TIME')
local function stamp()
  return ARGV[2] .. string.format('%08x', (time[1] % 4096) * 1000000 + time[2])
end
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if op == 'read' then
  local values, emptied, made, bytes = redis.call('MGET', unpack(KEYS)), {}, nil, 0
  for index, value in ipairs(values) do
    local key, kind = KEYS[index], value and string.byte(value)
    if (kind == ${kinds.plain} or kind == ${kinds.deflated}) and #value >= ${headLength} then
      -- What most of them are.
      bytes = bytes + #value
    elseif kind == ${kinds.reserved} and #value == ${1 + tokenLength} then
      if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
    elseif emptied[key] then
      values[index] = emptied[key]
    else
      -- MGET does not tell another type from nothing.
      local isForeign = value or redis.pcall('GET', key)
      made = made or stamp()
      local token = made .. string.format('%04x', index)
      local done = redis.pcall('SET', key, '\\${kinds.reserved}' .. token, 'PX', ARGV[3])
      if done.err and not string.find(done.err, 'OOM', 1, true) then return done end
      emptied[key] = '\\${kinds.reserved}' .. token
      values[index] = isForeign and '\\${foreign}' .. token or emptied[key]
    end
  end
  return { history, now, bytes > ${mostPackedBytes} and values or cmsgpack.pack(values) }
end
if op == 'put' then
  local landed, made, at = {}, stamp(), 1
  for index, key in ipairs(KEYS) do
    local kind, token, life, value
    kind, token, life, value, at = struct.unpack('>c1c${tokenLength}dI4c0', ARGV[3], at)
    if string.byte(token) == ${anyToken.charCodeAt(0)} or redis.pcall('GETRANGE', key, 1, ${tokenLength}) == token then
      local ends = now + life
      local slot = kind .. made .. string.format('%04x', index) .. struct.pack('>d', ends) .. value
      local done
      if life == math.huge then done = redis.pcall('SET', key, slot) else done = redis.pcall('SET', key, slot, 'PXAT', string.format('%.0f', ends)) end
      if done.err and (string.byte(token) == ${anyToken.charCodeAt(0)} or not string.find(done.err, 'OOM', 1, true)) then return done end
      landed[index] = done.err and '0' or '1'
    else
      landed[index] = '0'
    end
  end
  return { history, table.concat(landed) }
end
if op == 'drop' then
  redis.call('UNLINK', unpack(KEYS))
  return { history }
end
local standing = redis.pcall('GET', KEYS[1])
if type(standing) ~= 'string' then standing = false end
if (ARGV[2] == 'none' and not standing) or (ARGV[2] == 'some' and standing == ARGV[3]) then
  standing = ARGV[4]
  redis.call('SET', KEYS[1], standing)
end
return { history, standing }
`;

/** The script and its name at the server. */
export const script: { readonly source: string; readonly sha: string } = Object.freeze({
  source,
  sha: createHash("sha1").update(source).digest("hex"),
});
