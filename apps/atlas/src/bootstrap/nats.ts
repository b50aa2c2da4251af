import { connect } from "@nats-io/transport-node";
import { NatsBus } from "@warp/bus-nats";
import { type Buses, Opened, type Surroundings } from "./ports.ts";

export const natsBuses = (servers: readonly string[], { cluster }: Surroundings): Buses => {
  const opened = new Opened();
  const make = async (): Promise<NatsBus> => {
    const connection = await connect({ servers: [...servers], name: cluster, maxReconnectAttempts: -1 });
    opened.add(() => connection.close());
    return new NatsBus(connection, { subject: cluster });
  };
  return { make, close: () => opened.close() };
};
