export { NatsBus } from "./nats-bus.ts";
export type {
  NatsClient,
  NatsHeaders,
  NatsMessage,
  NatsServerInfo,
  NatsStatus,
  NatsStatuses,
  NatsSubscription,
} from "./nats-client.ts";
export type { JetStreamOptions, NatsBusOptions } from "./options.ts";
