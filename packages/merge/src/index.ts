export { type AppendOptions, append } from "./append.ts";
export { type CustomOptions, custom } from "./custom.ts";
export { lastWriteWins } from "./last-write-wins.ts";
export { lastWriteWinsBy } from "./last-write-wins-by.ts";
export { max } from "./max.ts";
export { type FieldEngines, type MergeFieldsOptions, mergeFields } from "./merge-fields.ts";
export { min } from "./min.ts";
export {
  type ObservedSet,
  observedAdd,
  observedElements,
  observedRemove,
  observedRemoveSet,
} from "./observed-remove-set.ts";
export { type SumOptions, sum } from "./sum.ts";
export { union } from "./union.ts";
export { type ClockOrder, compareClocks, increment, mergeClocks, type VectorClock } from "./vector-clock.ts";
export { nextVersion, type VectorClocksOptions, type Version, type Versions, vectorClocks } from "./vector-clocks.ts";
