// `npm run services [-- redis nats]`: starts the tests' servers by hand and prints the variables that name them.
import { runBuilt } from "./lib/built.mjs";

await runBuilt("tests/services", "tests/services/dist/main.js", { timeoutMs: 7 * 86_400_000 });
