/**
 * A key as the table has it is the key itself, but for three characters. PostgreSQL's text holds every character but
 * NUL, which Warp's own keys begin with: NUL is written as U+0001 "0", U+0001 as U+0001 "1", and U+FEFF as U+0001 "2",
 * since a client that decodes results with a `TextDecoder` (PGlite) drops one at the beginning as a byte order mark.
 * Reversible, character by character: a prefix of a key stays one.
 */
const mark = "\u0001";
const written: readonly (readonly [sign: string, column: string])[] = [
  [mark, `${mark}1`],
  ["\u0000", `${mark}0`],
  ["\ufeff", `${mark}2`],
];

export const toColumn = (key: string): string =>
  written.some(([sign]) => key.includes(sign))
    ? written.reduce((text, [sign, column]) => text.replaceAll(sign, column), key)
    : key;

export const fromColumn = (column: string): string =>
  column.includes(mark) ? written.reduceRight((text, [sign, from]) => text.replaceAll(from, sign), column) : column;

const largest = 0x10ffff;

/**
 * The least text that is above everything that begins with `prefix`, in the order of code points (the collation "C" on
 * UTF-8); `undefined` if there is none.
 */
export const above = (prefix: string): string | undefined => {
  const points = [...prefix];
  for (;;) {
    const last = points.pop()?.codePointAt(0);
    if (last === undefined) return undefined;
    if (last === largest) continue;
    // Surrogates are no characters.
    return points.join("") + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
};

/** The least text above `column`: no text in the table holds a NUL. */
export const after = (column: string): string => `${column}${mark}`;
