// `npm run demo`: three Warp nodes serve a real data set. Arguments after `--` go to the program.
import { runBuilt } from "./lib/built.mjs";

await runBuilt("apps/atlas", "apps/atlas/dist/demo.js");
