import { EventEmitter } from "node:events";
import type { RedisArgument, RedisClient, RedisConnection } from "../src/index.ts";
import type { RedisBytesClient } from "../src/redis-client.ts";

/** A client whose server is the test: `answer` says what each script call is told. */
export class FakeClient extends EventEmitter implements RedisBytesClient {
  status = "ready";
  isCluster = false;
  options: RedisClient["options"] = {};
  connects = 0;
  readonly sent: (readonly RedisArgument[])[] = [];
  readonly others: RedisConnection[] = [];
  answer: (args: readonly RedisArgument[]) => unknown = () => [Buffer.from("a 0")];

  async connect(): Promise<void> {
    this.connects += 1;
  }
  nodes(): readonly RedisConnection[] {
    return this.others;
  }
  async eval(): Promise<unknown> {
    throw new Error("answers in text");
  }
  async evalsha(): Promise<unknown> {
    throw new Error("answers in text");
  }
  async evalBuffer(_script: string, count: number, ...args: RedisArgument[]): Promise<unknown> {
    return this.evalshaBuffer("", count, ...args);
  }
  async evalshaBuffer(_sha: string, count: number, ...args: RedisArgument[]): Promise<unknown> {
    this.sent.push(args);
    return this.answer(args.slice(0, count));
  }
  become(status: string): void {
    this.status = status;
    this.emit(status);
  }
}

/** One connection of a Cluster. */
export class FakeConnection extends EventEmitter implements RedisConnection {
  status = "wait";
  become(status: string): void {
    this.status = status;
    this.emit(status);
  }
}
