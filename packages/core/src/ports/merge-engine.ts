/** Decides what a key holds after a write. A pure function: it changes neither of its arguments. */
export interface MergeEngine<V = unknown> {
  readonly portVersion: 1;
  /** For logs and errors. */
  readonly name: string;
  /** False if the result is always `incoming`: core then need not read before it writes. */
  readonly readsCurrent: boolean;
  /**
   * What the key holds after the write of `incoming`. May run several times for one write, where others wrote meanwhile.
   * @param current What the key holds, or `undefined` if it does not exist.
   * @throws {WarpError} `INVALID_VALUE` for what it cannot merge; the write is then refused.
   */
  merge(current: V | undefined, incoming: V): V;
  /**
   * One incoming value that has the effect of two, `earlier` then `later`. Where absent, values that wait for the
   * store are kept one by one.
   */
  combine?(earlier: V, later: V): V;
}
