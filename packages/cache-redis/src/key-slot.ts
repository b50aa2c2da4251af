/** CRC-16/XMODEM, byte by byte, as the Redis Cluster specification has it (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/). */
const table: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

/** What a slot is computed from: the first `{tag}` that is not empty, else the whole key. */
const taggedPart = (key: string): string => {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
};

/** The slot of a Redis Cluster that holds `key`: 0 to 16 383. */
export const keySlot = (key: string): number => {
  let crc = 0;
  for (const byte of Buffer.from(taggedPart(key))) crc = ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] as number);
  return crc & 16_383;
};
