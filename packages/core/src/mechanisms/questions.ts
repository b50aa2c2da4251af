import { type Cutting, cutInPieces } from "./batcher.ts";
import { failureFor } from "./guard.ts";

// Measured (benchmarks, "strong"): in one piece, a crowd and the store would wait for each other in turn.
const cutting: Cutting = { pieces: 2, leastItems: 32 };

interface Question<T, R> {
  readonly key: string;
  readonly begun: T;
  readonly answer: Promise<R>;
  readonly resolve: (answer: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Questions to an authority about keys, which readers share only if they came before theirs was sent: an answer says
 * what stood at some moment after that, and so within the time of every reader who waits for it. What is asked in one
 * turn of the event loop is sent together, that of a crowd in two pieces at once.
 */
export class Questions<T, A, R> {
  #open: Map<string, Question<T, R>> | undefined;
  readonly #begin: (key: string) => T;
  readonly #send: (keys: readonly string[], begun: readonly T[]) => Promise<readonly A[]>;
  readonly #finish: (key: string, begun: T, answer: A) => R;
  readonly #fail: (begun: T) => void;

  /**
   * @param begin Called for the first reader of a key. @param send Sends everything; answers in the order of `keys`.
   * @param finish Called once for each key; makes of the answer what every reader gets. @param fail Called in its place
   *   where there is no answer.
   */
  constructor(
    begin: (key: string) => T,
    send: (keys: readonly string[], begun: readonly T[]) => Promise<readonly A[]>,
    finish: (key: string, begun: T, answer: A) => R,
    fail: (begun: T) => void,
  ) {
    this.#begin = begin;
    this.#send = send;
    this.#finish = finish;
    this.#fail = fail;
  }

  ask(key: string): Promise<R> {
    if (this.#open === undefined) {
      this.#open = new Map();
      // After the microtasks that are due: whoever was woken by the same reply asks together.
      process.nextTick(() => this.#flush());
    }
    const known = this.#open.get(key);
    if (known !== undefined) return known.answer;
    const begun = this.#begin(key);
    let resolve: (answer: R) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const answer = new Promise<R>((onAnswer, onFailure) => {
      resolve = onAnswer;
      reject = onFailure;
    });
    this.#open.set(key, { key, begun, answer, resolve, reject });
    return answer;
  }

  #flush(): void {
    const asked = [...(this.#open as Map<string, Question<T, R>>).values()];
    // From here on nobody joins.
    this.#open = undefined;
    cutInPieces(asked, Number.POSITIVE_INFINITY, cutting, (some) => void this.#answer(some));
  }

  async #answer(asked: readonly Question<T, R>[]): Promise<void> {
    let answers: readonly A[];
    try {
      answers = await this.#send(
        asked.map(({ key }) => key),
        asked.map(({ begun }) => begun),
      );
    } catch (error) {
      for (const { key, begun, reject } of asked) {
        this.#fail(begun);
        reject(failureFor(key, error));
      }
      return;
    }
    let index = 0;
    for (const { key, begun, resolve, reject } of asked) {
      try {
        resolve(this.#finish(key, begun, answers[index] as A));
      } catch (error) {
        reject(error);
      }
      index++;
    }
  }
}
