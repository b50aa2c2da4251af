export { forEachSeed } from "./for-each-seed.ts";
export { type PauseOptions, Scheduler } from "./scheduler.ts";
export { SimulatedClock, simulationEpoch } from "./simulated-clock.ts";
