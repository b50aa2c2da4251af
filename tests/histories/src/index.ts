export { type Call, makeCall, partsOf } from "./calls.ts";
export { checkHistory, type Report } from "./check.ts";
export { type Anomaly, findAnomalies } from "./dependencies.ts";
export { expiriesOf } from "./expiries.ts";
export { decodeHistory, encodeHistory } from "./history-lines.ts";
export { checkLinearizable, type SearchOptions, type Verdict } from "./linearizability.ts";
export { FencedResource, type LockCall, makeLockCall } from "./lock-calls.ts";
export { lockAnomalies } from "./locks.ts";
export {
  describeOperation,
  type History,
  type LockEvent,
  type Operation,
  type Status,
  type Step,
  type Value,
} from "./operation.ts";
export { type Ended, Recorder } from "./recorder.ts";
export { countStaleReads, type StaleReads } from "./stale-reads.ts";
export { timelinePage, timelineText } from "./timeline.ts";
