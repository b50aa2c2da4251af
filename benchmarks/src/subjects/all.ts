import { openLru, openMap } from "./floors.ts";
import { openPeers } from "./peers.ts";
import type { Subject } from "./subject.ts";
import { openWarp } from "./warp.ts";

/** Warp, the floors and the peers, each with room for `entries`. */
export const openAll = (entries: number): readonly Subject[] => [
  openWarp(entries),
  openMap(),
  openLru(entries),
  ...openPeers(entries),
];
