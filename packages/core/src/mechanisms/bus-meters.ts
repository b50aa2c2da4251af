import { Histogram } from "./histogram.ts";

/**
 * Why frames may have been missed: a number was skipped, the transport said so, a peer forgot what to tell, a peer
 * vanished without a goodbye, a peer is heard of late, the node does not even hear itself, or what it read from the
 * shared tier is trusted no more. And why foreign changes may have been: the change feed began, or says so.
 */
export type GapReason =
  | "lost"
  | "transport"
  | "drop-all"
  | "vanished"
  | "unknown-sender"
  | "deaf"
  | "epoch"
  | "change-feed";

/** Why a frame was refused: see `FrameProblem`; of another cluster; or two live nodes have one id. */
export type RefusalReason = "version" | "malformed" | "signature" | "cluster" | "node";

/** Counters of the bus side. Plain fields: counting is one addition. */
export class BusMeters {
  framesSent = 0;
  /** Frames that the transport did not take. */
  framesFailed = 0;
  framesReceived = 0;
  readonly framesRefused: Record<RefusalReason, number> = {
    version: 0,
    malformed: 0,
    signature: 0,
    cluster: 0,
    node: 0,
  };
  keysSent = 0;
  dropAllsSent = 0;
  heartbeatsSent = 0;
  heartbeatsReceived = 0;
  readonly gaps: Record<GapReason, number> = {
    lost: 0,
    transport: 0,
    "drop-all": 0,
    vanished: 0,
    "unknown-sender": 0,
    deaf: 0,
    epoch: 0,
    "change-feed": 0,
  };
  /** Keys that the change feed named. */
  foreignChanges = 0;
  /** Seconds from a frame's sending to its arrival. */
  readonly lag: Histogram = new Histogram();
}

/** Counters of the commits. */
export class StoreMeters {
  /** Commits that another writer overtook. */
  conflicts = 0;
  /** Attempts sent again under the same operation id. */
  resent = 0;
  /** Commits answered neither yes nor no. */
  outcomesUnknown = 0;
}

/** Counters of strong writes. */
export class StrongMeters {
  committed = 0;
  /** Ended with nothing committed, whatever the reason. */
  aborted = 0;
  /** Of these: too few nodes acknowledged, or the bus did not answer. */
  quorumsRefused = 0;
  acknowledgementsSent = 0;
  acknowledgementsReceived = 0;
  /** Announcements of keys that this node keeps otherwise. */
  mismatchesFound = 0;
  /** Acknowledgements of nodes that keep a key otherwise: they do not count. */
  mismatchesHeard = 0;
  /** Seconds from an announcement to its quorum. */
  readonly quorumWait: Histogram = new Histogram();
}
