import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";

/** A folder of a bucket as an S3 client sees it. */
export class RawObjects {
  readonly #client: S3Client;
  readonly #place: { readonly Bucket: string };
  readonly #prefix: string;

  constructor(client: S3Client, bucket: string, prefix: string) {
    this.#client = client;
    this.#place = { Bucket: bucket };
    this.#prefix = prefix;
  }

  async put(name: string, body: Uint8Array | string): Promise<void> {
    await this.#client.send(new PutObjectCommand({ ...this.#place, Key: this.#prefix + name, Body: body }));
  }

  async get(name: string): Promise<Uint8Array> {
    const { Body } = await this.#client.send(new GetObjectCommand({ ...this.#place, Key: this.#prefix + name }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array(0);
  }

  async remove(name: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ ...this.#place, Key: this.#prefix + name }));
  }

  /** The names below `folder`, without the prefix. */
  async names(folder = ""): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(
      new ListObjectsV2Command({ ...this.#place, Prefix: this.#prefix + folder }),
    );
    return Contents.map(({ Key = "" }) => Key.slice(this.#prefix.length));
  }
}
