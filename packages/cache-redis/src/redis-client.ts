/** What a command takes. */
export type RedisArgument = string | Buffer | number;

/** A connection of which a client has several: a node of a Cluster. */
export interface RedisConnection {
  /** ioredis' state: only in `"ready"` do commands reach the server. */
  readonly status: string;
  /** As an `EventEmitter`'s. */
  on(event: string, listener: (about?: unknown) => void): unknown;
  /** As an `EventEmitter`'s. */
  off(event: string, listener: (about?: unknown) => void): unknown;
}

/** The part of ioredis' `Redis` and `Cluster`, versions 5 and 6, that this package calls. */
export interface RedisClient extends RedisConnection {
  readonly isCluster: boolean;
  readonly options: { readonly keyPrefix?: string | undefined };
  /** Called where the client was made with `lazyConnect` and nobody has used it yet. */
  connect(): Promise<unknown>;
  /** Runs a script, and has the server remember it. */
  eval(script: string, keys: number, ...args: RedisArgument[]): Promise<unknown>;
  /** Runs a script that the server remembers, by the SHA-1 of its text. */
  evalsha(sha: string, keys: number, ...args: RedisArgument[]): Promise<unknown>;
  /** A Cluster's connections. */
  nodes?(): readonly RedisConnection[];
}

/**
 * ioredis has a twin of each command that answers in bytes, of which its types list all but these two. (`callBuffer`,
 * which they list, loses the command's name where `enableAutoPipelining` is on.)
 */
export interface RedisBytesClient extends RedisClient {
  evalBuffer(script: string, keys: number, ...args: RedisArgument[]): Promise<unknown>;
  evalshaBuffer(sha: string, keys: number, ...args: RedisArgument[]): Promise<unknown>;
}
