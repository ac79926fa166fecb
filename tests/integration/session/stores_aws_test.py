"""References to AWS Secrets Manager, from an env file to a box."""
import subprocess
import unittest

from stores import StoreTest  # first: it makes the stand-ins importable
import aws

VALUE = "canary-value-77ab"
KEY = "canary-secret-key-9f21"
CONFIG = {"keys": {"AKIA1": {"secret": KEY}, "ASIA2": {"secret": KEY + "2", "token": "canary-token"}},
          "roles": {"arn:aws:iam::123456789012:role/reader": "ASIA2"},
          "secrets": {"prod/db": {"versions": {"version-1": {
              "string": '{"password": "%s"}' % VALUE, "stages": ["AWSCURRENT"]}}}}}


class Aws(StoreTest):
    def setUp(self):
        super().setUp()
        self.server = self.serve(aws.Aws, CONFIG)
        self.environment.update(AWS_ENDPOINT_URL=self.server.url, AWS_REGION="us-east-1",
                                AWS_CA_BUNDLE=str(self.server.directory / "ca.pem"),
                                AWS_EC2_METADATA_DISABLED="true")
        self.write(".aws/credentials", "[default]\naws_access_key_id = AKIA1\n"
                   "aws_secret_access_key = %s\n" % KEY, base=self.home)

    def test_a_value_reaches_the_command(self):
        seen = self.run_box("printf %s \"$PASSWORD\" | tr a-z A-Z; env; cat ~/.aws/credentials; true",
                            self.env_file("PASSWORD=aws-sm://prod/db#password\n"))
        self.assertIn(VALUE.upper(), seen)
        record = next(r for r in self.records() if r["event"] == "resolve")
        self.assertEqual((record["backend"], record["version"]), ("aws-sm", "version-1"))
        for canary in (VALUE, KEY):
            self.assertNotIn(canary, seen)
            self.assertNotIn(canary.encode(), self.everything_written())

    def test_bad_keys_start_nothing(self):
        result = self.agentbox(
            "run", self.env_file("PASSWORD=aws-sm://prod/db#password\n"), "--", "touch", "started",
            env={"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "canary-wrong"})
        self.assertEqual(result.returncode, 78)
        self.assertFalse((self.project / "started").exists())
        self.assertIn(b"InvalidSignatureException", result.stderr)
        self.assertNotIn(b"canary", result.stderr)

    def test_the_makers_client_takes_the_stand_in(self):
        probe = subprocess.run(["/usr/bin/python3", "-c", "import botocore"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("python3-botocore is not installed")
        script = """
import botocore.exceptions, botocore.session, json, sys
url, ca, key, secret, token = sys.argv[1:]
def client(service, **keys):
    return botocore.session.get_session().create_client(
        service, region_name="us-east-1", endpoint_url=url, verify=ca, **keys)
def fails(code, call, **arguments):
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise SystemExit("no " + code)
for keys in (dict(aws_access_key_id=key, aws_secret_access_key=secret),
             dict(aws_access_key_id="ASIA2", aws_secret_access_key=secret + "2",
                  aws_session_token=token)):
    good = client("secretsmanager", **keys)
    value = good.get_secret_value(SecretId="prod/db")
    assert json.loads(value["SecretString"])["password"] and value["VersionId"] == "version-1"
fails("ResourceNotFoundException", good.get_secret_value, SecretId="absent")
bad = client("secretsmanager", aws_access_key_id=key, aws_secret_access_key="wrong")
fails("InvalidSignatureException", bad.get_secret_value, SecretId="prod/db")
"""
        result = subprocess.run(
            ["/usr/bin/python3", "-W", "ignore", "-c", script, self.server.url,
             str(self.server.directory / "ca.pem"), "AKIA1", KEY, "canary-token"],
            capture_output=True, env={"HOME": str(self.home), "PATH": "/usr/bin:/bin"})
        self.assertEqual(result.returncode, 0, result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
