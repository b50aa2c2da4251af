// `npm run bench`: Warp beside its peers. Arguments after `--` go to the program.
import { runBuilt } from "./lib/built.mjs";

await runBuilt("benchmarks", "benchmarks/dist/main.js", { nodeOptions: ["--expose-gc"] });
