import type { Cancel } from "@warp/core";
import type { NatsClient, NatsStatus, NatsStatuses } from "./nats-client.ts";

/** What those who use a connection are told of it. None of the functions throws. */
export interface ConnectionListener {
  /** The connection broke, and stands again: its subscriptions have been sent to the server. */
  onReconnected?(): void;
  /** There will be no connection any more. */
  onClosed?(cause: unknown): void;
  /** The server took no message for this subject: a permission is missing. */
  onRefused?(subject: string, cause: unknown): void;
}

/** nats 2 tells of a missing permission in one field of the status, nats 3 in another. */
const refusedSubject = ({ permissionContext, error }: NatsStatus): string | undefined => {
  const context = permissionContext ?? error;
  if (typeof context !== "object" || context === null) return undefined;
  const { operation, subject } = context as { operation?: unknown; subject?: unknown };
  return operation === "publish" && typeof subject === "string" ? subject : undefined;
};

/** Tells any number of listeners what becomes of a connection. It listens itself only while somebody listens to it. */
export class ConnectionWatch {
  readonly #connection: NatsClient;
  #listeners: readonly ConnectionListener[] = [];
  #statuses: NatsStatuses | undefined;
  #awaitsEnd = false;

  constructor(connection: NatsClient) {
    this.#connection = connection;
  }

  add(listener: ConnectionListener): Cancel {
    this.#listeners = [...this.#listeners, listener];
    this.#start();
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
      if (this.#listeners.length > 0) return;
      this.#statuses?.stop?.();
      this.#statuses = undefined;
    };
  }

  #start(): void {
    if (this.#statuses === undefined) {
      this.#statuses = this.#connection.status();
      // An iteration that fails ends with the connection, which is told of below.
      this.#follow(this.#statuses).catch(() => {});
    }
    if (this.#awaitsEnd) return;
    this.#awaitsEnd = true;
    void this.#connection.closed().then(
      (error) => this.#tell((listener) => listener.onClosed?.(error)),
      (error: unknown) => this.#tell((listener) => listener.onClosed?.(error)),
    );
  }

  async #follow(statuses: NatsStatuses): Promise<void> {
    for await (const status of statuses) {
      if (statuses !== this.#statuses) return;
      if (status.type === "reconnect") this.#tell((listener) => listener.onReconnected?.());
      const refused = status.type === "error" ? refusedSubject(status) : undefined;
      if (refused !== undefined)
        this.#tell((listener) => listener.onRefused?.(refused, status.error ?? new Error(`no permission: ${refused}`)));
    }
  }

  #tell(what: (listener: ConnectionListener) => void): void {
    for (const listener of this.#listeners) what(listener);
  }
}
