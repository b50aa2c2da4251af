import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { systemRandom } from "@warp/core";
import { S3Store, type S3StoreOptions } from "../src/index.ts";

/** A client of the server at `url`, which is http://key:secret@host:port/bucket. */
export const clientOf = (url: string, config: S3ClientConfig = {}): S3Client => {
  const { origin, username, password } = new URL(url);
  return new S3Client({
    endpoint: origin,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: username, secretAccessKey: password },
    ...config,
  });
};

export const bucketOf = (url: string): string => new URL(url).pathname.slice(1);

/** A folder that nothing else uses, also in a bucket that others share. */
export const uniquePrefix = (): string => `${systemRandom.id()}/`;

/** Stores in one bucket, each with a client of its own; all of it ends with `close`. */
export class StoreBench {
  readonly #url: string;
  readonly #clients: S3Client[] = [];
  readonly #stores: S3Store[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  client(config?: S3ClientConfig): S3Client {
    const client = clientOf(this.#url, config);
    this.#clients.push(client);
    return client;
  }

  /** In `options.prefix`, or in a folder of its own. */
  store(options: Partial<S3StoreOptions> = {}, client: S3Client = this.client()): S3Store {
    const store = new S3Store(client, { bucket: bucketOf(this.#url), prefix: uniquePrefix(), ...options });
    this.#stores.push(store);
    return store;
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    for (const client of this.#clients) client.destroy();
  }
}
