// A line of its own to each server, in a process of its own. Arguments: how long a byte is under way each way, in ms; the URLs.
import { startFaultProxy } from "@warp/tests-services/fault-proxy";

const [latencyMs, ...urls] = process.argv.slice(2);
const lines: string[] = [];
for (const url of urls) {
  const { hostname: host, port } = new URL(url);
  const proxy = await startFaultProxy({ host, port: Number(port) }, 1);
  proxy.latency(Number(latencyMs));
  lines.push(proxy.url(url));
}
process.send?.(lines);
