import { createHmac, randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./processes.ts";
import { findPrograms } from "./programs.ts";
import { accepts, type Place, type Server, startServer } from "./server.ts";

/** The user and the bucket that every server of ours has. */
const user = { id: "warp", secret: "warpsecret" };
const bucket = "warp-tests";

/** One monitor, one store of objects in memory, no copies: what a gateway needs to run at all. */
const configuration = (folder: string, [messenger, legacy]: readonly number[]): string => `[global]
fsid = ${randomUUID()}
mon host = [v2:127.0.0.1:${messenger},v1:127.0.0.1:${legacy}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = ${folder}/keyring
mon data = ${folder}/mon
osd data = ${folder}/osd
run dir = ${folder}
admin socket = ${folder}/$name.$pid.asok
log file = ${folder}/$name.log
crash dir = ${folder}
mon allow pool size one = true
mon max pg per osd = 5000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
osd op num shards = 2
osd heartbeat grace = 60
memstore device bytes = 2147483648
rgw thread pool size = 64
rgw exit timeout secs = 2
rgw enable usage log = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
rgw run sync thread = false
`;

const configOf = (folder: string): string => join(folder, "ceph.conf");

/** Keys for everybody, and the monitor's first map. */
const prepareMonitor = async (bin: string, { folder, ports }: Place): Promise<void> => {
  const [messenger, legacy] = ports;
  const conf = configOf(folder);
  const keyring = join(folder, "keyring");
  const map = join(folder, "monmap");
  await writeFile(conf, configuration(folder, ports));
  await Promise.all(["mon", "osd"].map((name) => mkdir(join(folder, name))));
  const keys = (...args: readonly string[]) => run(join(bin, "ceph-authtool"), [keyring, "--gen-key", ...args]);
  await keys("--create-keyring", "-n", "mon.", "--cap", "mon", "allow *");
  const all = ["mon", "osd", "mgr"].flatMap((daemon) => ["--cap", daemon, "allow *"]);
  await keys("-n", "client.admin", ...all);
  const fsid = /fsid = (\S+)/.exec(await readFile(conf, "utf8"))?.[1] ?? "";
  const address = `[v2:127.0.0.1:${messenger},v1:127.0.0.1:${legacy}]`;
  await run(join(bin, "monmaptool"), ["--create", "--fsid", fsid, "--addv", "a", address, map]);
  await run(join(bin, "ceph-mon"), ["-c", conf, "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring]);
};

/** Makes the store of objects known to the monitor. */
const prepareStore = async (bin: string, conf: string, folder: string): Promise<void> => {
  const id = randomUUID();
  const secret = (await run(join(bin, "ceph-authtool"), ["--gen-print-key"])).trim();
  const secrets = join(folder, "osd.json");
  await writeFile(secrets, JSON.stringify({ cephx_secret: secret }));
  await run(join(bin, "ceph"), ["-c", conf, "osd", "new", id, "-i", secrets]);
  await run(join(bin, "ceph-authtool"), [join(folder, "keyring"), "--name", "osd.0", "--add-key", secret]);
  await run(join(bin, "ceph-osd"), ["-c", conf, "-i", "0", "--mkfs", "--osd-uuid", id]);
};

/** Signed after the older, shorter rules (Amazon S3, "Signing and authenticating REST requests", version 2). */
const createBucket = async (origin: string): Promise<void> => {
  const date = new Date().toUTCString();
  const signature = createHmac("sha1", user.secret).update(`PUT\n\n\n${date}\n/${bucket}`).digest("base64");
  const headers = { date, authorization: `AWS ${user.id}:${signature}` };
  const response = await fetch(`${origin}/${bucket}`, { method: "PUT", headers });
  if (!response.ok) throw new Error(`the S3 gateway made no bucket: ${response.status} ${await response.text()}`);
};

/**
 * Ceph's S3 gateway (RGW) over a store in memory, with an empty bucket: a real S3 that honours conditional writes. What
 * may be killed, frozen and restarted is the gateway; the store behind it goes on.
 * @throws If this machine has none and cannot install one.
 */
export const startS3 = async (): Promise<Server> => {
  const bin = await findPrograms({
    server: "Ceph's S3 gateway",
    names: ["radosgw", "radosgw-admin", "ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool"],
    packages: ["radosgw", "ceph-mon", "ceph-osd", "ceph-mgr", "ceph-common"],
    variable: "WARP_TEST_S3_URL",
    example: "http://key:secret@host:port/bucket",
  });
  let conf = "";
  let folder = "";
  const started: Server[] = [];
  const stopAll = async (): Promise<void> => {
    for (const server of started.splice(0).reverse()) await server.stop();
  };
  try {
    const monitor = await startServer({
      name: "Ceph-monitor",
      ports: 2,
      prepare: (place) => prepareMonitor(bin, place),
      command: (place) => [join(bin, "ceph-mon"), "-c", configOf(place.folder), "-i", "a", "-f"],
      url: (place) => {
        folder = place.folder;
        conf = configOf(folder);
        return "";
      },
    });
    started.push(monitor);
    await prepareStore(bin, conf, folder);
    const isUp = async (): Promise<boolean> =>
      /\b1 up\b/.test(await run(join(bin, "ceph"), ["-c", conf, "osd", "stat"]));
    const command = () => [join(bin, "ceph-osd"), "-c", conf, "-i", "0", "-f"];
    started.push(await startServer({ name: "Ceph-store", command, isUp, url: () => "" }));
    const gateway = await startServer({
      name: "Ceph-gateway",
      command: ({ ports: [port] }) => [
        ...[join(bin, "radosgw"), "-c", conf, "-n", "client.admin", "-f"],
        `--rgw-frontends=beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
      ],
      isUp: ({ ports: [port = 0] }) => accepts(port),
      url: ({ ports: [port] }) => `http://${user.id}:${user.secret}@127.0.0.1:${port}/${bucket}`,
      startsWithinMs: 120_000,
    });
    started.push(gateway);
    const keys = [`--access-key=${user.id}`, `--secret-key=${user.secret}`];
    const names = [`--uid=${user.id}`, `--display-name=${user.id}`];
    await run(join(bin, "radosgw-admin"), ["-c", conf, "user", "create", ...names, ...keys]);
    await createBucket(new URL(gateway.url).origin);
    return { ...gateway, stop: stopAll };
  } catch (error) {
    await stopAll();
    throw error;
  }
};
