import { createHash } from "node:crypto";

/** Characters of a token: 22 of chance for each command, 8 of the server's time, 4 of the place in the command. */
export const tokenLength = 34;

/** The first byte of what a slot holds, then its token. None begins a text in UTF-8, so that foreign values are told apart. */
export const kinds = { reserved: 0xf8, plain: 0xf9, deflated: 0xfa } as const;

/** In place of a slot's time left: no `RedisCache` wrote what was there. */
export const foreign = -3;

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
local function stamp()
  local time = redis.call('TIME')
  return ARGV[2] .. string.format('%08x', (time[1] % 4096) * 1000000 + time[2])
end
if op == 'read' then
  local reply, at, made = { history }, 1, nil
  for index, key in ipairs(KEYS) do
    local value, left = redis.pcall('GET', key), 0
    local isText = type(value) == 'string'
    local kind = isText and #value > ${tokenLength} and string.byte(value) or 0
    if kind == ${kinds.plain} or kind == ${kinds.deflated} then
      left = redis.call('PTTL', key)
    elseif kind == ${kinds.reserved} then
      if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
    else
      if isText or type(value) == 'table' then left = ${foreign} end
      made = made or stamp()
      value = '\\${kinds.reserved}' .. made .. string.format('%04x', index)
      local done = redis.pcall('SET', key, value, 'PX', ARGV[3])
      if done.err and not string.find(done.err, 'OOM', 1, true) then return done end
    end
    reply[at + 1], reply[at + 2] = value, left
    at = at + 2
  end
  return reply
end
if op == 'put' then
  local landed, made = {}, stamp()
  for index, key in ipairs(KEYS) do
    local token, life = ARGV[3 * index], ARGV[3 * index + 1]
    if token == '*' or redis.pcall('GETRANGE', key, 1, ${tokenLength}) == token then
      local kind = string.sub(life, 1, 1) == 'z' and '\\${kinds.deflated}' or '\\${kinds.plain}'
      local value = kind .. made .. string.format('%04x', index) .. ARGV[3 * index + 2]
      local done
      if #life > 1 then done = redis.pcall('SET', key, value, 'PX', string.sub(life, 2)) else done = redis.pcall('SET', key, value) end
      if done.err and (token == '*' or not string.find(done.err, 'OOM', 1, true)) then return done end
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
