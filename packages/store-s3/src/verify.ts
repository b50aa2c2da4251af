import { systemRandom, WarpError } from "@warp/core";
import { isLost, statusOf } from "./failures.ts";
import type { S3StoreSettings } from "./options.ts";
import type { Condition, Requests } from "./requests.ts";

const racers = 10;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const noTag = "00000000000000000000000000000000";

/** @returns The tag, or `undefined` if the server said that the condition does not hold; RGW says so with 500, too. */
const tryPut = (requests: Requests, name: string, text: string, condition: Condition, signal: AbortSignal) =>
  requests.put(name, bytesOf(text), condition, signal).catch((error: unknown) => {
    if (isLost(error) || statusOf(error) === 500) return undefined;
    throw error;
  });

/** @throws {WarpError} `UNSUPPORTED` naming what the server does not keep. */
export const verify = async (
  requests: Requests,
  { names, conditionalDelete }: S3StoreSettings,
  signal: AbortSignal,
): Promise<void> => {
  const name = names.trial(systemRandom.id());
  const insist = (holds: boolean, what: string): void => {
    if (!holds) throw new WarpError("UNSUPPORTED", `this S3 server ${what}`, { port: "store" });
  };
  const put = (text: string, condition: Condition) => tryPut(requests, name, text, condition, signal);
  const race = async (condition: Condition): Promise<readonly string[]> => {
    // Bodies of their own: equal ones share a tag.
    const puts = Array.from({ length: racers }, () => put(systemRandom.id(), condition));
    return (await Promise.all(puts)).filter((etag) => etag !== undefined);
  };
  try {
    insist((await put("never", { etag: noTag })) === undefined, "ignores If-Match where there is no object");
    const created = await race("absent");
    insist(created.length === 1, `let ${created.length} of ${racers} concurrent If-None-Match: * writes win, not one`);
    const [etag = ""] = created;
    insist(etag !== "", "tells no ETag of what was written");
    insist((await requests.get(name, signal, { unless: etag })) === "unchanged", "ignores If-None-Match on reads");
    insist((await put("never", { etag: noTag })) === undefined, "ignores If-Match on writes");
    const replaced = await race({ etag });
    insist(replaced.length === 1, `let ${replaced.length} of ${racers} concurrent If-Match writes win, not one`);
    const object = await requests.get(name, signal);
    const stands = typeof object === "object" && object.etag === replaced[0];
    insist(stands, "does not read what was written last");
    if (!conditionalDelete) return;
    await requests.remove(name, noTag, signal).catch((error: unknown) => {
      if (!isLost(error)) throw error;
    });
    insist(
      (await requests.get(name, signal)) !== undefined,
      "ignores If-Match on deletes: leave conditionalDelete out",
    );
  } finally {
    await requests.remove(name, undefined, signal).catch(() => {});
  }
};
