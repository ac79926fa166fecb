#!/usr/bin/env python3
"""A stand-in for the model services that agent programs talk to.

It speaks the Messages API (Claude Code, OpenCode), the Responses API (Codex) and the Gemini API
(Gemini CLI), and plays a model that does what a scenario says: one tool call a turn, in order, and
then a last text. Every request is kept, body and headers apart, for a test to search.

    standin.py --scenario FILE --requests DIR --port-file FILE

A scenario is JSON: {"steps": [STEP...], "final": "text"}; a STEP is one of
    {"read": "/absolute/path"}
    {"shell": "command line"}
    {"write": "/absolute/path", "content": "text"}
    {"tool": "NAME", "arguments": {…}}     (the first of several NAMEs, if that is a list)
    {"together": [STEP...]}                (several tool calls in one turn)
{"result": N, "key": KEY} as an argument stands for what the answer to step N, a JSON object, has there.
Below, results(body) is what the program's tools answered so far: one text for each step.
Which tool of the program does that, and how its arguments are called, is read from the tools that
the request itself declares, so that a new version of a program needs no change here. A program
without a tool to read or write files gets a shell command instead.

A conversation whose task holds a key of "agents" ({"MARK": SCENARIO}) plays that one: what a
subagent was told, say.

Which step is next is counted in the conversation that the request carries; nothing is remembered
between requests, so a repeated request gets the same answer.
"""

import argparse
import gzip
import http.server
import itertools
import json
import os
import shlex
import sys
import threading
import time
import urllib.parse

SHELL_TOOLS = ("Bash", "bash", "run_shell_command", "shell", "shell_command", "exec_command")
READ_TOOLS = ("Read", "read", "read_file")
WRITE_TOOLS = ("Write", "write", "write_file")
PATH_ARGUMENTS = ("file_path", "filePath", "absolute_path", "path")


class ScenarioError(Exception):
    """The scenario asks for what the program's tools cannot do."""


def find_tool(tools, names):
    """The first of `names` that `tools` (name to JSON schema) declares, or None."""
    return next((name for name in names if name in tools), None)


def fill(schema, wanted):
    """Arguments for a tool: `wanted`, and some text for whatever else the schema requires."""
    properties = schema.get("properties", {})
    arguments = {key: value for key, value in wanted.items() if key in properties}
    for key in schema.get("required", []):
        arguments.setdefault(key, "a step of the test")
    return arguments


def shell_call(tools, command):
    name = find_tool(tools, SHELL_TOOLS)
    if name is None:
        raise ScenarioError(f"no shell among the tools {sorted(tools)}")
    kind = tools[name].get("properties", {}).get("command", {}).get("type", "string")
    if isinstance(kind, str) and kind.lower() == "array":
        return name, fill(tools[name], {"command": ["bash", "-c", command]})
    return name, fill(tools[name], {"command": command, "cmd": command})


def tool_call(tools, step):
    """(tool name, arguments) with which this program does the step."""
    if "shell" in step:
        return shell_call(tools, step["shell"])
    if "tool" in step:
        names = [step["tool"]] if isinstance(step["tool"], str) else step["tool"]
        name = find_tool(tools, names)
        if name is None:
            raise ScenarioError(f"none of {names} among the tools {sorted(tools)}")
        return name, fill(tools[name], step["arguments"])
    if "read" in step:
        name = find_tool(tools, READ_TOOLS)
        if name is None:
            return shell_call(tools, "cat " + shlex.quote(step["read"]))
        return name, fill(tools[name], dict.fromkeys(PATH_ARGUMENTS, step["read"]))
    if "write" in step:
        name = find_tool(tools, WRITE_TOOLS)
        if name is None:
            content, path = shlex.quote(step["content"]), shlex.quote(step["write"])
            return shell_call(tools, f"printf %s {content} > {path}")
        wanted = dict.fromkeys(PATH_ARGUMENTS, step["write"])
        return name, fill(tools[name], {**wanted, "content": step["content"]})
    raise ScenarioError(f"unknown step {step}")


def with_results(value, results):
    """`value` with what earlier answers said in its place."""
    if isinstance(value, list):
        return [with_results(one, results) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"result", "key"}:
        said = json.loads(results[value["result"]])
        return (json.loads(said) if isinstance(said, str) else said)[value["key"]]
    return {key: with_results(one, results) for key, one in value.items()}


def next_answer(scenario, tools, results):
    """What the model says after these answers of tools: [(tool name, arguments)…] or a last text."""
    done = len(results)
    for step in scenario["steps"]:
        together = step.get("together", [step])
        if done < len(together):
            return [tool_call(tools, with_results(one, results)) for one in together]
        done -= len(together)
    return scenario.get("final", "done")


class Messages:
    """Anthropic's Messages API: POST /v1/messages."""

    @staticmethod
    def tools(body):
        return {t["name"]: t["input_schema"] for t in body.get("tools", []) if "input_schema" in t}

    @staticmethod
    def results(body):
        return [
            json.dumps(block.get("content"))
            for message in body["messages"]
            if message["role"] == "user" and isinstance(message["content"], list)
            for block in message["content"]
            if block.get("type") == "tool_result"
        ]

    @staticmethod
    def task(body):
        """What the conversation began with."""
        return json.dumps(next(iter(body["messages"]), None))

    @staticmethod
    def blocks(answer, serial):
        if isinstance(answer, str):
            return [{"type": "text", "text": answer}]
        return [{"type": "tool_use", "id": f"toolu_{serial:020}{number:04}", "name": name,
                 "input": arguments} for number, (name, arguments) in enumerate(answer)]

    @classmethod
    def message(cls, body, answer, serial):
        return {
            "id": f"msg_{serial:024}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", "stand-in"),
            "content": cls.blocks(answer, serial),
            "stop_reason": "end_turn" if isinstance(answer, str) else "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 10},
        }

    @classmethod
    def events(cls, body, answer, serial):
        message = cls.message(body, answer, serial)
        opening = {**message, "content": [], "stop_reason": None}
        yield {"type": "message_start", "message": opening}
        for index, block in enumerate(message["content"]):
            if block["type"] == "text":
                start = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": block["text"]}]
            else:
                # In two pieces, as the real service streams it.
                start = {**block, "input": {}}
                text = json.dumps(block["input"])
                half = len(text) // 2
                deltas = [
                    {"type": "input_json_delta", "partial_json": part}
                    for part in (text[:half], text[half:])
                ]
            yield {"type": "content_block_start", "index": index, "content_block": start}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        yield {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": 10},
        }
        yield {"type": "message_stop"}


class Responses:
    """OpenAI's Responses API: POST /v1/responses."""

    @staticmethod
    def tools(body):
        found = {}
        for tool in body.get("tools", []):
            if tool.get("type") == "function":
                found[tool["name"]] = tool.get("parameters", {})
            elif tool.get("type") == "namespace":
                for part in tool["tools"]:
                    found[f"{tool['name']}.{part['name']}"] = part.get("parameters", {})
        return found

    @staticmethod
    def results(body):
        items = body["input"] if isinstance(body["input"], list) else []
        return [json.dumps(i["output"]) for i in items if i.get("type") == "function_call_output"]

    @staticmethod
    def task(body):
        items = body["input"] if isinstance(body["input"], list) else []
        return json.dumps([i for i in items if i.get("role") == "user"])

    @staticmethod
    def events(body, answer, serial):
        if isinstance(answer, str):
            items = [{
                "type": "message",
                "id": f"msg_{serial}",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": answer, "annotations": []}],
            }]
        else:
            items = [{
                "type": "function_call",
                "id": f"fc_{serial}_{number}",
                "call_id": f"call_{serial}_{number}",
                **dict(zip(("name", "namespace"), reversed(name.split(".", 1)))),
                "arguments": json.dumps(arguments),
                "status": "completed",
            } for number, (name, arguments) in enumerate(answer)]
        response = {
            "id": f"resp_{serial}",
            "object": "response",
            "created_at": int(time.time()),
            "model": body.get("model", "stand-in"),
            "status": "in_progress",
            "output": [],
        }
        usage = {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 10,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 20,
        }
        done = {**response, "status": "completed", "output": items, "usage": usage}
        sequence = [
            {"type": "response.created", "response": response},
            *({"type": f"response.output_item.{what}", "output_index": number, "item": item}
              for number, item in enumerate(items) for what in ("added", "done")),
            {"type": "response.completed", "response": done},
        ]
        for number, event in enumerate(sequence):
            yield {**event, "sequence_number": number}


class Gemini:
    """Google's Gemini API: POST /v1beta/models/MODEL:streamGenerateContent and its kin."""

    @staticmethod
    def tools(body):
        return {
            f["name"]: f.get("parametersJsonSchema") or f.get("parameters") or {}
            for tool in body.get("tools", [])
            for f in tool.get("functionDeclarations", [])
        }

    @staticmethod
    def results(body):
        return [
            json.dumps(part["functionResponse"])
            for content in body.get("contents", [])
            for part in content.get("parts", [])
            if "functionResponse" in part
        ]

    @staticmethod
    def task(body):
        return json.dumps(next(iter(body.get("contents", [])), None))

    @staticmethod
    def response(answer):
        if isinstance(answer, str):
            parts = [{"text": answer}]
        else:
            parts = [{"functionCall": {"name": name, "args": arguments}}
                     for name, arguments in answer]
        return {
            "candidates": [
                {
                    "index": 0,
                    "content": {"role": "model", "parts": parts},
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 10,
                "candidatesTokenCount": 10,
                "totalTokenCount": 20,
            },
        }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass  # the kept requests are the log

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def keep(self, body):
        """Writes the request to the directory; what follows a test's search is complete or absent."""
        serial = next(self.server.serials)
        stem = os.path.join(self.server.requests, f"{serial:04}")
        head = {"method": self.command, "path": self.path, "headers": self.headers.items()}
        for suffix, data in ((".head", json.dumps(head).encode()), (".body", body)):
            with open(stem + suffix + ".part", "wb") as out:
                out.write(data)
            os.rename(stem + suffix + ".part", stem + suffix)
        return serial

    def send_json(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_events(self, events, named):
        """Server-sent events, each in a chunk of its own."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            head = f"event: {event['type']}\n" if named else ""
            data = f"{head}data: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, api, body):
        """What the played model says: a tool call, or text where the request offers no tools (titles,
        summaries, quota checks) or the scenario is through."""
        tools = api.tools(body)
        task = api.task(body)
        for mark, scenario in self.server.scenario.get("agents", {}).items():
            if mark in task:
                break
        else:
            scenario = self.server.scenario
            if find_tool(tools, SHELL_TOOLS) is None:
                return "ok"
        if not tools:
            return scenario.get("final", "done")
        return next_answer(scenario, tools, api.results(body))

    def do_GET(self):
        self.keep(b"")
        if urllib.parse.urlsplit(self.path).path.rstrip("/").endswith("/models"):
            self.send_json({"object": "list", "data": [], "models": [], "has_more": False})
        else:
            self.send_json({"error": {"type": "not_found_error", "message": "not here"}}, 404)

    def do_HEAD(self):
        self.keep(b"")
        self.send_json({})

    def do_POST(self):
        raw = self.read_body()
        serial = self.keep(raw)
        path = urllib.parse.urlsplit(self.path).path
        try:
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("the body is no JSON object")
            if path.endswith("/messages/count_tokens"):
                self.send_json({"input_tokens": 10})
            elif path.endswith("/messages"):
                answer = self.answer(Messages, body)
                if body.get("stream"):
                    self.send_events(Messages.events(body, answer, serial), named=True)
                else:
                    self.send_json(Messages.message(body, answer, serial))
            elif path.endswith("/responses"):
                events = Responses.events(body, self.answer(Responses, body), serial)
                if body.get("stream"):
                    self.send_events(events, named=True)
                else:
                    self.send_json(list(events)[-1]["response"])
            elif path.endswith(":streamGenerateContent"):
                response = Gemini.response(self.answer(Gemini, body))
                self.send_events([response], named=False)
            elif path.endswith(":generateContent"):
                self.send_json(Gemini.response(self.answer(Gemini, body)))
            elif path.endswith(":countTokens"):
                self.send_json({"totalTokens": 10})
            else:
                self.send_json({"error": {"type": "not_found_error", "message": path}}, 404)
        except (ScenarioError, ValueError, KeyError) as error:
            # 400, which no program tries again: the test sees the reason at once.
            message = f"stand-in: {type(error).__name__}: {error}"
            print(message, file=sys.stderr, flush=True)
            self.send_json({"error": {"type": "invalid_request_error", "message": message}}, 400)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, scenario, requests, host="127.0.0.1"):
        super().__init__((host, 0), Handler)
        self.scenario = scenario
        self.requests = requests
        self.serials = itertools.count(1)
        os.makedirs(requests, exist_ok=True)

    def handle_error(self, request, client_address):
        pass  # a program that hangs up early is its own business

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self.server_address[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--requests", required=True)
    parser.add_argument("--port-file", required=True)
    options = parser.parse_args()
    with open(options.scenario, encoding="utf-8") as source:
        server = Server(json.load(source), options.requests)
    with open(options.port_file + ".part", "w", encoding="utf-8") as out:
        out.write(str(server.server_address[1]))
    os.rename(options.port_file + ".part", options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
