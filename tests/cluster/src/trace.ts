const kept = 40;

/** What happened, in order: a running hash of all of it, and the last lines in words. */
export class Trace {
  #low = 0x811c9dc5;
  #high = 0x01000193;
  readonly #lines: { readonly at: number; readonly label: string; readonly text: string }[] = [];

  /** @param code What tells this event from others at its time and place. */
  add(at: number, label: string, text: string, code: number): void {
    this.#mix(Math.round(at * 1_000));
    this.#mix(code);
    for (let index = 0; index < text.length; index++) this.#mix(text.charCodeAt(index));
    this.#lines.push({ at, label, text });
    if (this.#lines.length >= 2 * kept) this.#lines.splice(0, kept);
  }

  /** The same for two runs exactly if they did the same (up to 64 bits of luck). */
  hash(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /** The last events, oldest first. */
  lines(): string[] {
    return this.#lines.slice(-kept).map(({ at, label, text }) => `${at.toFixed(3)} ms  ${label}  ${text}`);
  }

  #mix(number: number): void {
    // Two FNV-like lanes that feed each other.
    this.#low = Math.imul(this.#low ^ number, 0x01000193) + this.#high;
    this.#high = Math.imul(this.#high ^ (this.#low >>> 15), 0x85ebca6b) + Math.floor(number / 2 ** 32);
  }
}
