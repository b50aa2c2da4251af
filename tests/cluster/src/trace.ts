const kept = 40;

// Taken once: inside Jest's realm every look at a global costs as much as all the rest of a step.
const { floor, imul, round } = Math;

/** What happened, in order: a running hash of all of it, and the last lines in words. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x01000193;
  readonly #lines: { readonly at: number; readonly label: string; readonly text: string }[] = [];

  /** @param code What tells this event from others at its time and place; `text` then need only be for people. */
  add(at: number, label: string, text: string, code: number): void {
    const micros = round(at * 1_000);
    this.#mix(micros | 0);
    this.#mix(floor(micros / 2 ** 32));
    this.#mix(code);
    this.#lines.push({ at, label, text });
    if (this.#lines.length >= 2 * kept) this.#lines.splice(0, kept);
  }

  /** An event that is nothing but its text. */
  note(at: number, text: string): void {
    let code = text.length;
    for (let index = 0; index < text.length; index++) code = imul(code ^ text.charCodeAt(index), 0x01000193);
    this.add(at, "note", text, code);
  }

  /** The same for two runs exactly if they did the same (up to 64 bits of luck). */
  hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** The last events, oldest first. */
  lines(): string[] {
    return this.#lines.slice(-kept).map(({ at, label, text }) => `${at.toFixed(3)} ms  ${label}  ${text}`);
  }

  #mix(word: number): void {
    // Two FNV-like lanes that feed each other.
    this.#low = (imul(this.#low ^ word, 0x01000193) + this.#high) | 0;
    this.#high = imul(this.#high ^ (this.#low >>> 15), 0x85ebca6b);
  }
}
