export { describeWith, describeWithOwn } from "./describe-with.ts";
export { type FaultDirection, FaultProxy, type FaultTarget, startFaultProxy } from "./fault-proxy.ts";
export { seeded } from "./seeded.ts";
