// The official MCP client library as the counterpart of `agentbox mcp`:
//   mcp_client.mjs MODULES STEPS COMMAND [ARGUMENT…]
// STEPS is JSON: [[TOOL, ARGUMENTS]…]. Prints one JSON object: the server's version, its tools, and
// for each step the result with the progress that was told, or the error. Steps run at once.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, steps, command, ...args] = process.argv.slice(2);
const require = createRequire(modules + "/here.js");
const load = (name) =>
  import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/client/" + name + ".js")));
const { Client } = await load("index");
const { StdioClientTransport } = await load("stdio");

const client = new Client({ name: "counterpart", version: "1" });
// By default the library passes only a few variables on.
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
await client.ping();
const { tools } = await client.listTools();
const results = await Promise.all(
  JSON.parse(steps).map(async ([name, parameters]) => {
    const progress = [];
    try {
      // The library holds structured results against the tool's own schema.
      const result = await client.callTool({ name, arguments: parameters }, undefined, {
        onprogress: (one) => progress.push(one.message),
      });
      return { result, progress };
    } catch (error) {
      return { error: String(error), progress };
    }
  }),
);
console.log(JSON.stringify({ server: client.getServerVersion(), tools, results }));
await client.close();
