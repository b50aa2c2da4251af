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

/** Whom questions are put to. */
export interface Authority<T, A> {
  /** Sends one question. */
  ask(key: string, begun: T): Promise<A>;
  /** Sends several at once; answers in the order of `keys`. */
  askAll(keys: readonly string[], begun: readonly T[]): Promise<readonly A[]>;
}

/**
 * Questions to an authority about keys, which readers share only if they came before theirs was sent: an answer says
 * what stood at some moment after that, and so within the time of every reader who waits for it. What is asked in one
 * turn of the event loop is sent together, that of a crowd in two pieces at once.
 */
export class Questions<T, A, R> {
  #open: Map<string, Question<T, R>> | undefined;
  readonly #begin: (key: string) => T;
  readonly #authority: Authority<T, A>;
  readonly #finish: (key: string, begun: T, answer: A) => R;
  readonly #fail: (begun: T) => void;

  /**
   * @param begin Called for the first reader of a key.
   * @param finish Called once for each key; makes of the answer what every reader gets. @param fail Called in its place
   *   where there is no answer.
   */
  constructor(
    begin: (key: string) => T,
    authority: Authority<T, A>,
    finish: (key: string, begun: T, answer: A) => R,
    fail: (begun: T) => void,
  ) {
    this.#begin = begin;
    this.#authority = authority;
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
    const [only] = asked;
    if (only !== undefined && asked.length === 1) this.#send(only);
    else cutInPieces(asked, Number.POSITIVE_INFINITY, cutting, (some) => this.#sendAll(some));
  }

  #send(question: Question<T, R>): void {
    this.#authority.ask(question.key, question.begun).then(
      (answer) => this.#answered(question, answer),
      (error: unknown) => this.#failed(question, error),
    );
  }

  #sendAll(asked: readonly Question<T, R>[]): void {
    const keys = asked.map(({ key }) => key);
    const begun = asked.map((question) => question.begun);
    this.#authority.askAll(keys, begun).then(
      (answers) => asked.forEach((question, index) => void this.#answered(question, answers[index] as A)),
      (error: unknown) => asked.forEach((question) => void this.#failed(question, error)),
    );
  }

  #answered({ key, begun, resolve, reject }: Question<T, R>, answer: A): void {
    try {
      resolve(this.#finish(key, begun, answer));
    } catch (error) {
      reject(error);
    }
  }

  #failed({ key, begun, reject }: Question<T, R>, error: unknown): void {
    this.#fail(begun);
    reject(failureFor(key, error));
  }
}
