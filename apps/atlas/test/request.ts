export type Method = "GET" | "PUT" | "POST";
export type Headers = Readonly<Record<string, string>>;

export interface Reply {
  readonly status: number;
  /** Of JSON. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly headers: globalThis.Headers;
}

const bodyOf = (body: object | string | undefined): RequestInit => {
  if (body === undefined) return {};
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { body: text, headers: { "content-type": "application/json" } };
};

/** Asks a service over HTTP. (Fastify's `inject` needs `require` of an ES module, which Jest has from Node 24 on.) */
export const request = async (
  url: string,
  method: Method,
  path: string,
  body?: object | string,
  headers: Headers = {},
): Promise<Reply> => {
  const init = bodyOf(body);
  const reply = await fetch(url + path, { ...init, method, headers: { ...(init.headers as Headers), ...headers } });
  const text = await reply.text();
  const isJson = reply.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: reply.status, body: isJson ? JSON.parse(text) : {}, text, headers: reply.headers };
};
