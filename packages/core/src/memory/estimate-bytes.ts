// What V8 takes on 64 bits without pointer compression: a header and the first few slots, then a word for each field.
const objectBytes = 32;
const fieldBytes = 8;
const stringBytes = 24;

const ownBytes = (value: object, push: (part: unknown) => void): number => {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return objectBytes + value.byteLength;
  if (Array.isArray(value) || value instanceof Set) {
    for (const part of value) push(part);
    return objectBytes + fieldBytes * (Array.isArray(value) ? value.length : 3 * value.size);
  }
  if (value instanceof Map) {
    for (const [key, part] of value) {
      push(key);
      push(part);
    }
    return objectBytes + 3 * fieldBytes * value.size;
  }
  const fields = Object.values(value);
  for (const part of fields) push(part);
  return objectBytes + fieldBytes * fields.length;
};

/**
 * About how many bytes of memory a value takes, for caches bounded by bytes that are told nothing better. Walks the
 * whole value: its cost grows with it. Parts that are reached twice count once; names of fields are not counted.
 */
export const estimateBytes = (key: string, value: unknown): number => {
  let bytes = 2 * stringBytes + key.length + 64;
  const seen = new Set<object>();
  const left: unknown[] = [value];
  const push = (part: unknown): void => {
    left.push(part);
  };
  while (left.length > 0) {
    const part = left.pop();
    if (typeof part === "string") bytes += stringBytes + part.length;
    else if (typeof part === "bigint" || (typeof part === "number" && !Number.isInteger(part))) bytes += 16;
    else if (typeof part === "object" && part !== null && !seen.has(part)) {
      seen.add(part);
      bytes += ownBytes(part, push);
    }
  }
  return bytes;
};
