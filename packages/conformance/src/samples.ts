const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const bytesOf = (text: string): Uint8Array => encoder.encode(text);
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

/** The longest legal key: 1 024 bytes of UTF-8, told apart from its like by the last of them. */
const longest = (last: string): string => "k".repeat(1_023) + last;

/** Legal keys (non-empty, well-formed, at most 1 024 bytes, without `*`) that careless backends confuse or refuse. */
export const oddKeys: readonly string[] = [
  "a",
  "A",
  "a ",
  " a",
  "a\u0000",
  "\u0000",
  "\u0000a",
  "\u0000warp:lease:1",
  "a\tb\nc\r\n",
  "'",
  '"',
  "`;--",
  "\\",
  "\\\\",
  "\\x61",
  "\\000",
  "%",
  "_",
  "a%b_c",
  "a?b[c]d{e}(f)|g^h$i.j+k",
  "a:b",
  "a/b",
  "../a",
  ".",
  "..",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "undefined",
  "0",
  "00",
  "é",
  "e\u0301",
  "ß",
  "ss",
  "\u0130",
  "日本語",
  "\u{1f600}",
  "\u{10ffff}",
  "\uffff",
  "\ud7ff",
  "\ue000",
  "\ufeffa",
  "\u202ea",
  longest("a"),
  longest("b"),
  "\u{1f600}".repeat(256),
];

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index);

/** Values that careless backends cut, re-encode or take for nothing. */
export const oddValues: readonly Uint8Array[] = [
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(255),
  everyByte,
  bytesOf("\\x00 \\000 'quoted' \"twice\" \r\n"),
  Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80),
  Uint8Array.from({ length: 2 ** 20 }, (_, index) => (index * 31 + (index >> 8)) & 255),
];

export const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
