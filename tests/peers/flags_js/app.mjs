// An application that asks for flags, with the library that its first argument names; Deckhand's address and a token follow.
// A line `KEY USER…` asks what a flag is for each of these users: the answer is a line of 0 and 1.
import { createInterface } from "node:readline";

const [library, address, token] = process.argv.slice(2);

// Each gives a way to ask, once the library says that it is ready.
const libraries = {
  "unleash-client": () => unleash({ type: "polling", format: "full" }),
  "unleash-client streaming": () => unleash({ type: "streaming" }),
  "unleash-proxy-client": proxy,
  "@openfeature/ofrep-provider": openfeature,
  "@openfeature/ofrep-web-provider": web,
};

async function unleash(experimentalMode) {
  const { initialize } = await import("unleash-client");
  const client = initialize({
    url: `${address}/api/`,
    appName: "shop",
    customHeaders: { Authorization: token },
    refreshInterval: 500,
    metricsInterval: 500,
    disableMetrics: false,
    backupPath: process.env.SCRATCH,
    experimentalMode,
  });
  client.on("error", () => {});
  client.on("warn", () => {});
  await new Promise((resolve) => client.once("synchronized", resolve));
  return async (key, userId) => client.isEnabled(key, { userId });
}

async function proxy() {
  // It complains in the log of each request that fails, as it will.
  console.error = () => {};
  const { UnleashClient } = await import("unleash-proxy-client");
  const start = async (options) => {
    const client = new UnleashClient({
      url: `${address}/api/frontend`,
      clientKey: token,
      appName: "shop",
      metricsInterval: 1,
      ...options,
    });
    client.on("error", () => {});
    const ready = new Promise((resolve) => client.once("ready", resolve));
    await client.start();
    await ready;
    return client;
  };
  // One for a page, which has one user; another for many users, one after the other. It does not poll: a poll ends what is
  // fetched for the next user, and nobody is told when that is there.
  const page = await start({ refreshInterval: 1, context: { userId: "user-1" } });
  const many = await start({ disableRefresh: true });
  return async (key, userId) => {
    if (userId === "user-1") return page.isEnabled(key);
    await many.updateContext({ userId });
    return many.isEnabled(key);
  };
}

async function openfeature() {
  const { OpenFeature } = await import("@openfeature/server-sdk");
  const { OFREPProvider } = await import("@openfeature/ofrep-provider");
  const headers = [["Authorization", `Bearer ${token}`]];
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: address, headers }));
  const client = OpenFeature.getClient();
  client.setLogger({ error() {}, warn() {}, info() {}, debug() {} });
  return (key, targetingKey) => client.getBooleanValue(key, false, { targetingKey });
}

async function web() {
  // Node 20 has no EventSource, which every browser has.
  const { EventSource } = await import("eventsource");
  globalThis.EventSource ??= EventSource;
  const { OpenFeature } = await import("@openfeature/web-sdk");
  const { OFREPWebProvider } = await import("@openfeature/ofrep-web-provider");
  const headers = [["Authorization", `Bearer ${token}`]];
  await OpenFeature.setContext({ targetingKey: "nobody" });
  // No polling: what changes is heard on the stream.
  const provider = new OFREPWebProvider({ baseUrl: address, headers, cacheMode: "disabled" });
  await OpenFeature.setProviderAndWait(provider);
  const client = OpenFeature.getClient();
  let current;
  return async (key, targetingKey) => {
    if (targetingKey !== current) await OpenFeature.setContext({ targetingKey });
    current = targetingKey;
    return client.getBooleanValue(key, false);
  };
}

const ask = await libraries[library]();
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [key, ...users] = line.split(" ");
  let answer = "";
  for (const user of users) answer += (await ask(key, user)) ? 1 : 0;
  console.log(answer);
}
process.exit(0);
