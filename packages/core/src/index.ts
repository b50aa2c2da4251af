export type { LoadOptions, ReadOptions, SetOptions } from "./call-options.ts";
export { type PortName, WarpError, type WarpErrorCode, type WarpErrorDetails, warpErrorCodes } from "./errors.ts";
export type { Inspection } from "./inspect.ts";
export { type JsonLoggerOptions, jsonLogger, type LogLevel, silentLogger } from "./mechanisms/json-logger.ts";
export { type MetricDefinition, metricDefinitions } from "./mechanisms/metric-definitions.ts";
export type { Mode } from "./mechanisms/registration.ts";
export { MemoryBus, type MemoryBusOptions } from "./memory/memory-bus.ts";
export { MemoryCache, type MemoryCacheOptions } from "./memory/memory-cache.ts";
export {
  type Delivery,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type NetworkFaults,
} from "./memory/memory-network.ts";
export {
  MemorySharedCache,
  MemorySharedCacheData,
  type MemorySharedCacheOptions,
  type MemorySharedSlot,
} from "./memory/memory-shared-cache.ts";
export { MemoryStore, type MemoryStoreOptions } from "./memory/memory-store.ts";
export { MemoryStoreData, type StoreWrite } from "./memory/memory-store-data.ts";
export type { Pause } from "./memory/pause.ts";
export type { NodesChange, NodesListener } from "./node-watch.ts";
export type { Deadlines, WarpOptions } from "./options.ts";
export type { Lock, RenewLockOptions } from "./paths/held-lock.ts";
export type { GrantLeaseOptions, LeaseOptions, RenewLeaseOptions } from "./paths/lease.ts";
export type { Lease } from "./paths/lease-book.ts";
export type { Loader, LoaderInput } from "./paths/load.ts";
export type { LockOptions } from "./paths/lock.ts";
export type { ManyLoader } from "./paths/many.ts";
export type { WarmupOptions, WarmupProgress } from "./paths/warmup.ts";
export type { Bus, BusListener, NodeId } from "./ports/bus.ts";
export { type CallOptions, isAborted } from "./ports/call-options.ts";
export type { ChangeFeed, ChangeListener } from "./ports/change-feed.ts";
export type { Codec } from "./ports/codec.ts";
export type { History } from "./ports/history.ts";
export type { LocalCache, LocalCacheStats } from "./ports/local-cache.ts";
export type { Logger, LogMethod } from "./ports/logger.ts";
export type { MergeEngine } from "./ports/merge-engine.ts";
export type { HistogramValue, MetricFamily, MetricSample, Metrics } from "./ports/metrics.ts";
export type { SharedCache, SharedPut, SharedSlot, SlotToken } from "./ports/shared-cache.ts";
export {
  type CheckMutation,
  type CommitAnswer,
  conflictError,
  conflictsOf,
  type DeleteMutation,
  type HistoryRetention,
  type Mutation,
  type PutMutation,
  rememberedOperations,
  type Store,
  type StoredRecord,
} from "./ports/store.ts";
export type { Span, Tracer } from "./ports/tracer.ts";
export type { TtlStrategy } from "./ports/ttl-strategy.ts";
export type { DynamicTtlOptions, PolicyOptions, QuorumOptions, RegisterOptions } from "./register-options.ts";
export type { NodeStatus, PortStatus } from "./status.ts";
export { type AdaptiveTtlOptions, adaptiveTtl } from "./ttl/adaptive-ttl.ts";
export { type FrequencyStep, frequencyTtl } from "./ttl/frequency-ttl.ts";
export type { ReadCountsOptions } from "./ttl/read-counts.ts";
export { slidingTtl } from "./ttl/sliding-ttl.ts";
export { type KeyOf, type TransactionOptions, TypedTransaction as Transaction } from "./typed-transaction.ts";
export { type Cancel, type Clock, systemClock } from "./values/clock.ts";
export { type Duration, durationMs } from "./values/duration.ts";
export {
  BareEntry,
  dirtyGeneration,
  type Entry,
  type EntryOwner,
  expiryOf,
  generationStep,
  isDirty,
  isVisited,
  markVisited,
  type OperationId,
  type Revision,
  TrackedEntry,
  uselessFrom,
} from "./values/entry.ts";
export { describeValue } from "./values/invalid.ts";
export type { CallLimits } from "./values/limits.ts";
export { newOperationId, type Random, systemRandom } from "./values/random.ts";
export { compareTimestamps, nextTimestamp, type Timestamp } from "./values/timestamp.ts";
export { Warp } from "./warp.ts";
export { jsonCodec } from "./wire/json-codec.ts";
