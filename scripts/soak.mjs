// `npm run soak`: a million distinct keys through a node of each kind; ends with 1 if its heap grew with them.
import { runBuilt } from "./lib/built.mjs";

await runBuilt("benchmarks", "benchmarks/dist/soak.js", { nodeOptions: ["--expose-gc"] });
