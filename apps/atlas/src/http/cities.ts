import type { FastifyReply } from "fastify";
import type { z } from "zod";
import type { Service } from "../bootstrap.ts";
import type { City, CityKey, ViewsKey } from "../data.ts";
import { operationOf, signalOf } from "./caller.ts";
import { HttpError } from "./errors.ts";
import { cityFields, cityParameters, cityQuery, transfer, writeHeaders } from "./schemas.ts";
import type { App } from "./type-provider.ts";

/** How a write is made: as long as the client waits, and once for each key of its own. */
const writeOptions = (reply: FastifyReply, { "idempotency-key": key }: z.output<typeof writeHeaders>) => ({
  signal: signalOf(reply),
  ...(key !== undefined && { op: operationOf(key) }),
});

const keyOf = (id: number): CityKey => `city:${id}`;
const viewsOf = (id: number): ViewsKey => `views:${id}`;

export const addCities = (app: App, { node }: Service): void => {
  const city = { params: cityParameters };
  app.get("/cities/:id", { schema: { ...city, querystring: cityQuery } }, async ({ params, query }, reply) => {
    const options = { signal: signalOf(reply) };
    return query.at === undefined
      ? await node.get(keyOf(params.id), options)
      : await node.getAt(keyOf(params.id), query.at, options);
  });

  app.put(
    "/cities/:id",
    { schema: { ...city, headers: writeHeaders, body: cityFields } },
    async ({ params, headers, body }, reply) =>
      await node.set(keyOf(params.id), { ...(body as Partial<City>), cityId: params.id }, writeOptions(reply, headers)),
  );

  app.get("/cities/:id/views", { schema: city }, async ({ params: { id } }, reply) => ({
    cityId: id,
    views: (await node.find(viewsOf(id), { signal: signalOf(reply) })) ?? 0,
  }));

  app.post("/cities/:id/views", { schema: { ...city, headers: writeHeaders } }, async ({ params, headers }, reply) => ({
    cityId: params.id,
    views: await node.set(viewsOf(params.id), 1, writeOptions(reply, headers)),
  }));
};

export const addTransfers = (app: App, { node }: Service): void => {
  app.post("/transfers", { schema: { body: transfer } }, async ({ body: { from, to, people } }, reply) => {
    const signal = signalOf(reply);
    return await node.transaction(
      async (transaction) => {
        const [left, settled] = await Promise.all([transaction.get(keyOf(from)), transaction.get(keyOf(to))]);
        if (left === undefined || settled === undefined)
          throw new HttpError(404, "NOT_FOUND", `there is no city ${left === undefined ? from : to}`);
        const before = left.population ?? 0;
        if (before < people) throw new HttpError(409, "TOO_FEW", `city ${from} has ${before} inhabitants only`);
        const after = { from: before - people, to: (settled.population ?? 0) + people };
        transaction.set(keyOf(from), { population: after.from });
        transaction.set(keyOf(to), { population: after.to });
        return { from: { cityId: from, population: after.from }, to: { cityId: to, population: after.to } };
      },
      { signal },
    );
  });
};
