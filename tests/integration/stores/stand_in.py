"""What the stand-ins for secret managers have in common: TLS, a log of requests, faults.

`python3 NAME.py DIRECTORY [--plain]` (vault.py, op_connect.py, …) serves, by TLS or without, until its standard input ends. DIRECTORY
holds:

  config.json    what the server knows, read again for each request; see each stand-in
  ca.pem         made at start: who trusts it trusts the server
  requests.jsonl one line a request: method, path, headers, body
  port           the port, written last

config.json may have in every stand-in:

  host           the name in the certificate (default: localhost and 127.0.0.1)
  latency        seconds before each answer
  faults         [{"path": regular expression, "times": N, "kind": …}]: the first that matches and
                 has times left (default: always) is met instead of the answer:
                   status   "status", "headers", "body"
                   slow     "seconds", then the right answer
                   cut      half of the right answer, then the connection ends
                   short    the right answer with a Content-Length that is too small
                   garbage  200 with bytes that are not JSON
                   flood    200 with "bytes" bytes
                   hang     nothing, until the client goes
"""
import http.server
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse


def make_certificates(directory, host):
    """A certificate authority of this run's own and a server certificate that it signed."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    names = "DNS:%s" % host if host else "DNS:localhost,IP:127.0.0.1"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=stand-in authority")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=stand-in")
    (directory / "names").write_text("subjectAltName=%s\n" % names)
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names")


class Request:
    def __init__(self, handler, body):
        parts = urllib.parse.urlsplit(handler.path)
        self.method = handler.command
        self.raw_path = parts.path
        self.path = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = handler.headers
        self.body = body

    def json(self):
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            return None


class Answer:
    def __init__(self, status, body=b"", headers=None):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {"Content-Type": "application/json", **(headers or {})}


class StandIn:
    """One server. A stand-in defines answer(request, config) -> Answer."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.lock = threading.Lock()
        self.fault_counts = {}
        self.server = None

    def config(self):
        return json.loads((self.directory / "config.json").read_text())

    def answer(self, request, config):
        raise NotImplementedError

    def start(self, tls=True):
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                stand_in.handle(self)

            do_GET = do_POST = do_PUT = do_LIST = do_DELETE = do_PATCH = handle_any

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # clients that leave are part of the tests

            def finish_request(self, request, client_address):
                # Here, in the connection's thread: a handshake must not hold up the others.
                if tls:
                    request = context.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

        if tls:
            make_certificates(self.directory, self.config().get("host"))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.directory / "server.pem", self.directory / "server.key")
        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        self.url = "%s://localhost:%d" % ("https" if tls else "http", port)
        (self.directory / "port.new").write_text(str(port))
        os.replace(self.directory / "port.new", self.directory / "port")
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def requests(self):
        try:
            lines = (self.directory / "requests.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def record(self, request):
        entry = {"method": request.method, "path": request.raw_path, "query": request.query,
                 "headers": {k.lower(): v for k, v in request.headers.items()},
                 "body": request.body.decode("utf-8", "replace")}
        with self.lock, open(self.directory / "requests.jsonl", "a") as log:
            log.write(json.dumps(entry) + "\n")

    def fault(self, request, config):
        for number, fault in enumerate(config.get("faults", [])):
            if re.search(fault["path"], request.path):
                with self.lock:
                    met = self.fault_counts.get(number, 0)
                    if met >= fault.get("times", 1 << 30):
                        continue
                    self.fault_counts[number] = met + 1
                return fault
        return None

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(handler, handler.rfile.read(length))
        self.record(request)
        config = self.config()
        time.sleep(config.get("latency", 0))
        fault = self.fault(request, config)
        kind = fault["kind"] if fault else "none"
        if kind == "status":
            self.send(handler, Answer(fault["status"], fault.get("body", b""),
                                      fault.get("headers")))
            return
        if kind == "garbage":
            self.send(handler, Answer(200, b"<html>\xff\xfe{\"data\":"))
            return
        if kind == "flood":
            self.flood(handler, fault["bytes"])
            return
        if kind == "hang":
            handler.connection.settimeout(60)
            handler.connection.recv(1)
            handler.close_connection = True
            return
        if kind == "slow":
            time.sleep(fault["seconds"])
        answer = self.answer(request, config)
        if kind == "cut":
            self.send(handler, answer, send=len(answer.body) // 2)
        elif kind == "short":
            self.send(handler, answer, claim=len(answer.body) - 7)
        else:
            self.send(handler, answer)

    @staticmethod
    def send(handler, answer, send=None, claim=None):
        length = len(answer.body) if claim is None else claim
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        if answer.status != 204:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(answer.body if send is None else answer.body[:send])
        if send is not None or claim is not None:
            handler.close_connection = True

    @staticmethod
    def flood(handler, size):
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        block = b"[" + b" " * 65535
        for _ in range(size // len(block) + 1):
            handler.wfile.write(block)


def serve(kind):
    kind(sys.argv[1]).start(tls="--plain" not in sys.argv)
    sys.stdin.read()
