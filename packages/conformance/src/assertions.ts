import assert from "node:assert/strict";

/** What `promise` rejects with. @throws {AssertionError} if it resolves. */
export const rejectionOf = async (promise: Promise<unknown>, expected: string): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail(`resolved instead of rejecting with ${expected}`);
};

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => viewOf(a).equals(viewOf(b));

/** Compares contents, whichever subclass of `Uint8Array` an adapter hands out. */
export const assertBytes = (actual: Uint8Array | undefined, expected: Uint8Array, what: string): void => {
  assert.ok(actual !== undefined, `${what}: no bytes`);
  assert.ok(ArrayBuffer.isView(actual), `${what}: not a Uint8Array`);
  assert.equal(actual.byteLength, expected.byteLength, `${what}: the number of bytes`);
  assert.ok(equalBytes(actual, expected), `${what}: the bytes differ`);
};

/** Compares lists without regard to order; a repetition counts. */
export const assertSameMembers = (actual: Iterable<string>, expected: Iterable<string>, what: string): void => {
  assert.deepEqual([...actual].sort(), [...expected].sort(), what);
};
