/** What of the server's INFO this package reads. */
export interface NatsServerInfo {
  /** The largest message that the server takes, in bytes. */
  readonly max_payload: number;
  /** The name of the cluster that the server belongs to, if to any. */
  readonly cluster?: string;
}

/** What of a message's headers this package reads. */
export interface NatsHeaders {
  /** The status of a message from the server itself; 0 in any other. */
  readonly code: number;
  /** `""` where there is no such header. */
  get(name: string): string;
}

/** What of a message this package reads. */
export interface NatsMessage {
  readonly data: Uint8Array;
  readonly reply?: string;
  readonly headers?: NatsHeaders;
}

/** The part of a client's `Subscription` that this package calls. */
export interface NatsSubscription {
  /** Ends it: the callback is not called again. */
  unsubscribe(): void;
  /** Whether it has ended, also because the server refused it. */
  isClosed(): boolean;
}

/** A change in the state of a connection. */
export interface NatsStatus {
  /** `"reconnect"` and `"error"` are those that matter here. */
  readonly type: string;
  /** Of an error in nats 2: what was refused, if it was for want of a permission. */
  readonly permissionContext?: unknown;
  /** Of an error in nats 3: with the fields `operation` and `subject` where a permission was missing. */
  readonly error?: unknown;
}

/** Both clients have a method `stop`, without which the iteration ends only with the connection. */
export interface NatsStatuses extends AsyncIterable<NatsStatus> {
  /** Ends the iteration. */
  stop?(): void;
}

/** The part of `NatsConnection`, of nats 2 and of @nats-io/transport-node 3, that this package calls. */
export interface NatsClient {
  /** Of the server it is connected to; `undefined` while it is not. */
  readonly info?: NatsServerInfo | undefined;
  /** Puts a message in the outgoing buffer; throws if the connection is closed or the message above `max_payload`. */
  publish(subject: string, data?: Uint8Array, options?: { reply?: string }): void;
  /** Resolves once the server has handled all that was sent before. Rejects when the connection breaks. */
  flush(): Promise<void>;
  /** Publishes and waits for one answer. @param options `timeout` in milliseconds. */
  request(subject: string, data?: Uint8Array, options?: { timeout: number }): Promise<NatsMessage>;
  /** Calls `callback` with each message, or with what ended the subscription. */
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): NatsSubscription;
  /** What happens to the connection from now on. */
  status(): NatsStatuses;
  /** Resolves when the connection is closed for good, with the error that closed it, if one did. */
  // biome-ignore lint/suspicious/noConfusingVoidType: the clients have it so
  closed(): Promise<void | Error>;
}
