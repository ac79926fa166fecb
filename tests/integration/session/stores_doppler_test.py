"""References to Doppler, from an env file to a box."""
import unittest

from stores import StoreTest  # first: it makes the stand-ins importable
import doppler

VALUE = "canary-value-77ab"
TOKEN = "dp.st.dev.canary-token-9f21"


class Doppler(StoreTest):
    def setUp(self):
        super().setUp()
        server = self.serve(doppler.Doppler, {
            "tokens": {TOKEN: {"project": "shop", "config": "dev"}},
            "configs": {"shop/dev": {"DATABASE_URL": VALUE}, "shop/prd": {"DATABASE_URL": "x"}}})
        self.environment.update(DOPPLER_API_HOST=server.url, DOPPLER_TOKEN=TOKEN,
                                SSL_CERT_FILE=str(server.directory / "ca.pem"))

    def test_a_value_reaches_the_command(self):
        seen = self.run_box("printf %s \"$URL\" | tr a-z A-Z; env",
                            self.env_file("URL=doppler://shop/dev/DATABASE_URL\n"))
        self.assertIn(VALUE.upper(), seen)
        record = next(r for r in self.records() if r["event"] == "resolve")
        self.assertEqual((record["backend"], record["outcome"]), ("doppler", "ok"))
        for canary in (VALUE, TOKEN):
            self.assertNotIn(canary, seen)
            self.assertNotIn(canary.encode(), self.everything_written())

    def test_what_the_token_may_not_see_starts_nothing(self):
        result = self.agentbox("run", self.env_file("URL=doppler://shop/prd/DATABASE_URL\n"),
                               "--", "touch", "started")
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"does not have access", result.stderr)
        self.assertNotIn(TOKEN.encode(), result.stderr)


if __name__ == "__main__":
    unittest.main()
