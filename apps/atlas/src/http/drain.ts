import type { App } from "./type-provider.ts";

const everyMs = 50;

/**
 * Lets a server that closes wait for its requests, not for its connections. Node ends those that are idle at that moment
 * only: one on which an answer is still to go out, or nothing was ever asked, would keep it open for minutes.
 */
export const addDrain = (app: App): void => {
  let underWay = 0;
  let sweep: NodeJS.Timeout | undefined;
  app.server.on("request", (_request, response) => {
    underWay++;
    response.once("close", () => {
      underWay--;
    });
  });
  app.addHook("preClose", async () => {
    sweep = setInterval(() => {
      if (underWay === 0) app.server.closeAllConnections();
    }, everyMs);
  });
  app.addHook("onSend", async (_request, reply) => {
    if (sweep !== undefined) reply.header("connection", "close");
  });
  app.addHook("onClose", async () => clearInterval(sweep));
};
