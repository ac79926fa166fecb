"""A stand-in for a secret manager beside a session's project."""
import json
import pathlib
import shutil
import sys
import tempfile

from sandbox import SessionTest

STORES = pathlib.Path(__file__).resolve().parent.parent / "stores"
sys.path.insert(0, str(STORES))


class StoreTest(SessionTest):
    def serve(self, kind, config):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="agentbox-stand-in-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        (directory / "config.json").write_text(json.dumps(config))
        server = kind(directory).start()
        self.addCleanup(server.stop)
        return server

    def env_file(self, text):
        return "--env-file=" + str(self.write("references", text, base=self.home))

    def everything_written(self):
        """What a session leaves: the log and its report."""
        state = self.home / ".local/state/agentbox"
        return b"".join(p.read_bytes() for p in state.rglob("*") if p.is_file())
