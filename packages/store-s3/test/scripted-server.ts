import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a server answers; nothing at all for `undefined`. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** An error as S3 words it. */
export const errorReply = (status: number, code: string): Reply => ({
  status,
  headers: { "content-type": "application/xml" },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>so it is</Message></Error>`,
});

/** An HTTP server that says what a test wants a server to say. */
export class ScriptedServer {
  /** Every request so far: method and path. */
  readonly requests: string[] = [];
  readonly bodies: Buffer[] = [];
  readonly headers: IncomingMessage["headers"][] = [];
  /** Requests whose sender closed the connection before there was a reply. */
  abandoned = 0;
  readonly #server: Server;

  constructor(answer: (request: string) => Reply | undefined) {
    this.#server = createServer((request, response) => void this.#handle(request, response, answer));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://key:secret@127.0.0.1:${(this.#server.address() as AddressInfo).port}/bucket`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse, answer: (request: string) => Reply | undefined) {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [path = ""] = (request.url ?? "").split("?");
    const what = `${request.method} ${decodeURIComponent(path)}`;
    this.requests.push(what);
    this.bodies.push(Buffer.concat(chunks));
    this.headers.push(request.headers);
    const reply = answer(what);
    if (reply === undefined) {
      response.on("close", () => {
        this.abandoned += 1;
      });
      return;
    }
    response.writeHead(reply.status, reply.headers);
    response.end(reply.body);
  }
}
