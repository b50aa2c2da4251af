export { type ForEachSeedOptions, forEachSeed, type SeedSummary } from "./for-each-seed.ts";
export { type PauseOptions, type RunLimit, Scheduler } from "./scheduler.ts";
export { SeededRandom } from "./seeded-random.ts";
export { type ClockOptions, SimulatedClock, simulationEpoch } from "./simulated-clock.ts";
