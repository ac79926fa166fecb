// A server by the official MCP library that gives its secret away in every way it has:
//   mcp_server.mjs MODULES
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.argv[2] + "/here.js");
const load = (name) =>
  import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/server/" + name + ".js")));
const { McpServer } = await load("mcp");
const { StdioServerTransport } = await load("stdio");

const value = process.env.TESTS_TOKEN;
const server = new McpServer({ name: "teller", version: "1" });
server.registerTool("tell", { description: "Tells " + value }, async () => ({
  content: [
    { type: "text", text: value },
    { type: "text", text: JSON.stringify({ in: { json: value } }) },
    { type: "text", text: Buffer.from(value).toString("base64") },
    { type: "text", text: "length " + value.length },
  ],
}));
server.registerTool("fail", { description: "Fails" }, async () => {
  throw new Error("no such user: " + value);
});
console.error("starting with", value);
await server.connect(new StdioServerTransport());
