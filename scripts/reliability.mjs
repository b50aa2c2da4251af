// `npm run reliability`: processes on real servers under faults, for long; prints the figures of docs/reliability.md.
import { runBuilt } from "./lib/built.mjs";

await runBuilt("tests/cluster-real", "tests/cluster-real/dist/reliability.js");
