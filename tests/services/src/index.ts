export { describeWith, type ServiceName } from "./describe-with.ts";
export { type RunningService, startPostgres } from "./postgres.ts";
