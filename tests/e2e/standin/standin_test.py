"""The stand-in itself: what it asks for, and that it keeps all that it is sent."""

import json
import pathlib
import tempfile
import unittest
import urllib.error
import urllib.request

import standin

BASH = {"name": "Bash", "input_schema": {
    "type": "object", "properties": {"command": {"type": "string"}, "why": {"type": "string"}},
    "required": ["command", "why"]}}


class StandinTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.requests = pathlib.Path(directory.name)
        self.server = standin.Server({"steps": [{"shell": "cat .env"}], "final": "over"},
                                     directory.name)
        self.addCleanup(self.server.server_close)
        self.address = f"http://127.0.0.1:{self.server.start()}"
        self.addCleanup(self.server.shutdown)

    def post(self, path, body):
        request = urllib.request.Request(self.address + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    def events(self, path, body):
        lines = self.post(path, {**body, "stream": True}).splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    def test_messages_stream_a_tool_call_in_pieces(self):
        body = {"model": "m", "tools": [BASH], "messages": [{"role": "user", "content": "go"}]}
        events = self.events("/v1/messages?beta=true", body)
        self.assertEqual(events[0]["type"], "message_start")
        self.assertEqual(events[-1]["type"], "message_stop")
        text = "".join(e["delta"].get("partial_json", "") for e in events
                       if e["type"] == "content_block_delta")
        self.assertEqual(json.loads(text), {"command": "cat .env", "why": "a step of the test"})
        self.assertIn({"stop_reason": "tool_use", "stop_sequence": None},
                      [e.get("delta") for e in events])

    def test_messages_end_after_the_last_step(self):
        result = {"type": "tool_result", "tool_use_id": "x", "content": "API_KEY=1"}
        body = {"tools": [BASH], "messages": [{"role": "user", "content": [result]}]}
        answer = json.loads(self.post("/v1/messages", body))
        self.assertEqual(answer["content"], [{"type": "text", "text": "over"}])
        self.assertEqual(standin.Messages.results(body), ['"API_KEY=1"'])

    def test_requests_without_tools_get_text(self):
        answer = json.loads(self.post("/v1/messages", {"messages": []}))
        self.assertEqual(answer["content"][0]["text"], "ok")

    def test_responses_call_a_function(self):
        tool = {"type": "function", "name": "exec_command",
                "parameters": {"properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}}
        events = self.events("/v1/responses", {"input": "go", "tools": [tool]})
        self.assertEqual(events[-1]["type"], "response.completed")
        call = events[-1]["response"]["output"][0]
        self.assertEqual(json.loads(call["arguments"]), {"cmd": "cat .env"})

    def test_gemini_calls_a_function(self):
        schema = {"properties": {"command": {"type": "string"}}, "required": ["command"]}
        body = {"contents": [], "tools": [{"functionDeclarations": [
            {"name": "run_shell_command", "parametersJsonSchema": schema}]}]}
        answer = json.loads(self.post("/v1beta/models/m:generateContent", body))
        part = answer["candidates"][0]["content"]["parts"][0]
        self.assertEqual(part["functionCall"],
                         {"name": "run_shell_command", "args": {"command": "cat .env"}})

    def test_keeps_each_request(self):
        for word in ("first", "second"):
            self.post("/v1/messages", {"messages": [], "word": word})
        kept = [path.read_text() for path in sorted(self.requests.glob("*.body"))]
        self.assertEqual([json.loads(text)["word"] for text in kept], ["first", "second"])

    def test_says_why_it_cannot(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.post("/v1/messages", "no object")
        with caught.exception as answer:
            self.assertEqual(answer.code, 400)
            self.assertIn("no JSON object", answer.read().decode())


if __name__ == "__main__":
    unittest.main()
