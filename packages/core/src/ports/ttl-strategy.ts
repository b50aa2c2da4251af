/** Decides how long the entries of a registration live, from how they are used. */
export interface TtlStrategy {
  /** Told of every read of a key. Must be cheap and bounded in memory. */
  record(key: string): void;
  /** The life of the key's next entry, in milliseconds; above 0, `Infinity` allowed. */
  ttl(key: string): number;
  /** If true, a hit extends the entry's life by `ttl(key)`. */
  readonly extendsOnHit?: boolean;
}
