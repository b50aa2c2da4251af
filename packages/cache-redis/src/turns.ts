const settled = (): void => {};

/** Sends calls in the order they were made, though some take time to prepare. */
export class Turns {
  #last: Promise<void> | undefined;

  /**
   * @param prepared What `send` needs, or a promise of it.
   * @param send Called when all that came before was sent, whether or not it was answered.
   */
  take<T, R>(prepared: T | Promise<T>, send: (prepared: T) => Promise<R>): Promise<R> {
    if (this.#last === undefined && !(prepared instanceof Promise)) return send(prepared);
    const before = this.#last;
    const begin = async (): Promise<{ reply: Promise<R> }> => {
      await before;
      // Wrapped, so that waiting for the turn is not waiting for the reply.
      return { reply: send(await prepared) };
    };
    const begun = begin();
    const mine = begun.then(settled, settled).then(() => {
      if (this.#last === mine) this.#last = undefined;
    });
    this.#last = mine;
    return begun.then(({ reply }) => reply);
  }
}
