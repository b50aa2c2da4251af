import { WarpError, type WarpErrorCode } from "@warp/core";

export const busError = (code: WarpErrorCode, message: string, cause?: unknown): WarpError =>
  new WarpError(code, message, { port: "bus", ...(cause === undefined ? {} : { cause }) });

/** kafkajs wraps what a broker said in errors of its own, by their field `cause`. */
const saidByBroker = (error: unknown, type: string): boolean => {
  let current = error;
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth++) {
    const { type: said, cause } = current as { type?: unknown; cause?: unknown };
    if (said === type) return true;
    current = cause;
  }
  return false;
};

const unsettled = [
  "NOT_LEADER_FOR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
] as const;

/** What brokers answer for a moment after they started, or a topic was made. kafkajs does not always ask again. */
export const isUnsettled = (error: unknown): boolean => unsettled.some((type) => saidByBroker(error, type));

/** What a failure of kafkajs means to a user of the bus. */
export const meaningOf = (error: unknown, topic: string): unknown => {
  if (WarpError.is(error)) return error;
  if (saidByBroker(error, "UNKNOWN_TOPIC_OR_PARTITION")) {
    const message = `there is no Kafka topic "${topic}": create it, or give KafkaBus the option createTopic`;
    return busError("UNAVAILABLE", message, error);
  }
  if (saidByBroker(error, "MESSAGE_TOO_LARGE") || saidByBroker(error, "RECORD_LIST_TOO_LARGE")) {
    const message = `the Kafka topic "${topic}" takes no frame of this size: lower maxMessageBytes to its max.message.bytes`;
    return busError("UNSUPPORTED", message, error);
  }
  return busError("UNAVAILABLE", "Kafka did not do it", error);
};
