// The official MCP client library as the counterpart of `agentbox mcp`:
//   mcp_client.mjs MODULES STEPS COMMAND [ARGUMENT…]
// STEPS is JSON: [[TOOL, ARGUMENTS, OPTIONS]…]. Prints one JSON object: the server's version, its
// tools, and for each step the result with the progress that was told, or the error. Steps run at
// once. OPTIONS may say {"after": true}, to wait for all steps before it, and {"heard": TEXT} with
// what to do when the progress holds that: {"make": FILE} or {"cancel": true}.
import { writeFileSync } from "node:fs";
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
const running = [];
for (const [name, parameters, options = {}] of JSON.parse(steps)) {
  if (options.after) {
    await Promise.all(running);
  }
  const progress = [];
  const cancel = new AbortController();
  const hear = (one) => {
    progress.push(one.message);
    if (options.heard && progress.join("").includes(options.heard)) {
      if (options.make) {
        writeFileSync(options.make, "");
      }
      if (options.cancel) {
        cancel.abort("enough");
      }
    }
  };
  // The library holds structured results against the tool's own schema.
  running.push(
    client
      .callTool({ name, arguments: parameters }, undefined, {
        onprogress: hear,
        signal: cancel.signal,
      })
      .then(
        (result) => ({ result, progress }),
        (error) => ({ error: String(error), progress }),
      ),
  );
}
const results = await Promise.all(running);
console.log(JSON.stringify({ server: client.getServerVersion(), tools, results }));
await client.close();
