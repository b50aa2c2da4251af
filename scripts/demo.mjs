// `npm run demo`: three Warp nodes serve a real data set. Arguments after `--` go to the program.
import { runBuilt } from "./lib/built.mjs";

// Thousands of values are made and forgotten at once: with room for them, loading takes a third less time.
await runBuilt("apps/atlas", "apps/atlas/dist/demo.js", { nodeOptions: ["--max-semi-space-size=64"] });
