import { describe, expect, it } from "@jest/globals";
import { findPrograms } from "../src/programs.ts";

const missing = {
  server: "Frobnicator",
  names: ["no-such-program-of-warp"],
  packages: ["no-such-package-of-warp"],
  folders: ["/opt/frobnicator/*/bin"],
  elsewhere: "macOS: brew install frobnicator",
  variable: "WARP_TEST_FROBNICATOR_URL",
  example: "frob://host:port",
};

describe("the programs of a server", () => {
  it("are found on the PATH", async () => {
    expect(await findPrograms({ ...missing, names: ["sh"] })).toMatch(/bin$/);
  });

  it("are found in a folder beside the PATH whose name holds a version", async () => {
    expect(await findPrograms({ ...missing, names: ["exe"], folders: ["/proc/*/"] })).toMatch(/^\/proc\//);
  });

  it("cannot be had: the error says what is missing, where it was looked for, and how to get it", async () => {
    const error: unknown = await findPrograms(missing).catch((reason: unknown) => reason);
    const message = error instanceof Error ? error.message : "";
    for (const part of [
      "Frobnicator",
      "no-such-program-of-warp",
      "PATH, /opt/frobnicator/*/bin",
      "apt-get install no-such-package-of-warp",
      "brew install frobnicator",
      "WARP_TEST_FROBNICATOR_URL=frob://host:port",
    ])
      expect(message).toContain(part);
  });
});
