import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { S3Store } from "../src/index.ts";
import { bucketOf, clientOf } from "./open-store.ts";
import { errorReply, type Reply, ScriptedServer } from "./scripted-server.ts";
import { rejectionOf } from "./steps.ts";

/** What a server may do wrong. */
type Lie = "If-None-Match: *" | "If-Match" | "If-Match without object" | "If-None-Match on reads" | "reads" | "deletes";

/** A server of objects in memory that ignores the conditions of `lies`. */
const serverOf = (lies: readonly Lie[]): ScriptedServer => {
  const objects = new Map<string, Buffer>();
  const stale = new Map<string, Buffer>();
  const tagOf = (body: Buffer): string => createHash("md5").update(body).digest("hex");
  const broken = errorReply(412, "PreconditionFailed");
  const server = new ScriptedServer((request): Reply => {
    const [method, path = ""] = request.split(" ");
    const headers = server.headers.at(-1) ?? {};
    const standing = objects.get(path);
    const matches = headers["if-match"] === undefined || (standing && tagOf(standing) === headers["if-match"]);
    if (method === "PUT") {
      const body = server.bodies.at(-1) ?? Buffer.alloc(0);
      if (headers["if-none-match"] === "*" && standing && !lies.includes("If-None-Match: *")) return broken;
      if (!matches && !lies.includes(standing ? "If-Match" : "If-Match without object")) return broken;
      if (standing && !stale.has(path)) stale.set(path, standing);
      objects.set(path, body);
      return { status: 200, headers: { etag: `"${tagOf(body)}"` } };
    }
    if (method === "DELETE") {
      if (!matches && !lies.includes("deletes")) return broken;
      objects.delete(path);
      return { status: 204 };
    }
    const seen = lies.includes("reads") ? (stale.get(path) ?? standing) : standing;
    if (seen === undefined) return errorReply(404, "NoSuchKey");
    const tag = `"${tagOf(seen)}"`;
    if (headers["if-none-match"] === tag && !lies.includes("If-None-Match on reads")) return { status: 304 };
    return { status: 200, headers: { etag: tag }, body: seen };
  });
  return server;
};

const verdictOn = async (lies: readonly Lie[], conditionalDelete = true): Promise<unknown> => {
  const server = serverOf(lies);
  const url = await server.listen();
  const client = clientOf(url);
  const store = new S3Store(client, { bucket: bucketOf(url), conditionalDelete });
  try {
    return await store.verify().then(
      () => "verified",
      (error: unknown) => error,
    );
  } finally {
    client.destroy();
    await server.close();
  }
};

describe("verify()", () => {
  it("trusts a server that keeps its word", async () => {
    expect(await verdictOn([])).toBe("verified");
  });

  it.each([
    ["If-None-Match: *", /10 of 10 concurrent If-None-Match: \* writes/],
    ["If-Match", /ignores If-Match on writes/],
    ["If-Match without object", /ignores If-Match where there is no object/],
    ["If-None-Match on reads", /ignores If-None-Match on reads/],
    ["reads", /does not read what was written last/],
    ["deletes", /ignores If-Match on deletes/],
  ] as const)("finds a server that lies about %s", async (lie, message) => {
    expect(await verdictOn([lie])).toMatchObject({ code: "UNSUPPORTED", message: expect.stringMatching(message) });
  });

  it("does not mind how deletes are done where they are not relied on", async () => {
    expect(await verdictOn(["deletes"], false)).toBe("verified");
  });

  it("passes on what is no verdict", async () => {
    const server = new ScriptedServer(() => errorReply(403, "AccessDenied"));
    const url = await server.listen();
    const client = clientOf(url);
    expect(await rejectionOf(new S3Store(client, { bucket: bucketOf(url) }).verify())).toMatchObject({
      name: "AccessDenied",
    });
    client.destroy();
    await server.close();
  });
});
