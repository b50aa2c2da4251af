import type { Warp } from "@warp/core";
import { Node } from "../../../packages/core/src/node.ts";
import type { Context } from "../../../packages/core/src/paths/context.ts";

/** What a node is made of, for checks that no public call could make: the class keeps it private. */
export const contextOf = (warp: Pick<Warp, "ready">): Context => {
  const { ready } = Node.prototype;
  let found: Node | undefined;
  Node.prototype.ready = function (this: Node): Promise<void> {
    found = this;
    return Promise.resolve();
  };
  try {
    void warp.ready();
  } finally {
    Node.prototype.ready = ready;
  }
  if (found === undefined) throw new Error("Warp.ready no longer asks its node");
  return found.context;
};
