"""References to Infisical, from an env file to a box."""
import os
import subprocess
import unittest

from stores import StoreTest  # first: it makes the stand-ins importable
import infisical

VALUE = "canary-value-77ab"
SECRET = "canary-client-secret-9f21"
CONFIG = {"identities": {"id-1": SECRET},
          "folders": {"p1/dev/": {"secrets": {"URL": VALUE}},
                      "p1/dev/api": {"secrets": {"KEY": "of the folder"}}}}


class Infisical(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(infisical.Infisical, CONFIG)
        self.environment.update(INFISICAL_DOMAIN=self.server.url,
                                INFISICAL_UNIVERSAL_AUTH_CLIENT_ID="id-1",
                                INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET=SECRET,
                                SSL_CERT_FILE=str(self.server.directory / "ca.pem"))

    def test_a_value_reaches_the_command_and_the_login_ends(self):
        seen = self.run_box("printf %s \"$URL\" | tr a-z A-Z; env",
                            self.env_file("URL=infisical://p1/dev/URL\nKEY=infisical://p1/dev/api/KEY\n"))
        self.assertIn(VALUE.upper(), seen)
        record = next(r for r in self.records() if r["event"] == "resolve")
        self.assertEqual((record["backend"], record["version"]), ("infisical", "3"))
        for canary in (VALUE, SECRET, *self.server.made):
            self.assertNotIn(canary, seen)
            self.assertNotIn(canary.encode(), self.everything_written())
        self.assertEqual(self.server.revoked, self.server.made)

    def test_what_is_missing_starts_nothing(self):
        result = self.agentbox("run", self.env_file("URL=infisical://p1/dev/URI\n"),
                               "--", "touch", "started")
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"did you mean URL?", result.stderr)

    def test_the_makers_client_takes_the_stand_in(self):
        package = "@infisical/sdk"
        probe = subprocess.run(["node", "-e", "require(%r)" % package], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("npm's %s is not on NODE_PATH" % package)
        script = """
const [url, secret] = process.argv.slice(1);
const {InfisicalSDK} = require('@infisical/sdk');
(async () => {
  const client = new InfisicalSDK({siteUrl: url});
  await client.auth().universalAuth.login({clientId: 'id-1', clientSecret: secret});
  const all = await client.secrets().listSecrets({projectId: 'p1', environment: 'dev'});
  if (all.secrets[0].secretKey !== 'URL') throw Error('list');
  const found = await client.secrets().listSecrets(
      {projectId: 'p1', environment: 'prod'}).then(() => true, () => false);
  if (found) throw Error('an absent folder was read');
})().catch(error => { console.error(error); process.exit(1); });
"""
        result = subprocess.run(
            ["node", "-e", script, self.server.url, SECRET], capture_output=True,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self.server.directory / "ca.pem")})
        self.assertEqual(result.returncode, 0, result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
