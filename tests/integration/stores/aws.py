"""A stand-in for AWS: Secrets Manager, STS, a container's endpoint and the instance metadata.

config.json, beside what stand_in.py says:

  keys      {"AKIA…": {"secret": "…", "token": "…"}}: who may sign; the token for temporary ones
  secrets   {"name": {"versions": {"id": {"string" or "binary" (base64): …, "stages": […]}},
                      "deleted": true}}
  denied    [name, …]
  roles     {"arn": "AKIA… of the credentials that it gives"}
  jwt       the web identity's token that is good
  instance  {"role": "name", "key": "AKIA…"}; without it there is no metadata service
  container {"token": "…", "key": "AKIA…"}

Signatures are computed again from the request (AWS General Reference, "Signing AWS API requests").
"""
import hashlib
import hmac
import re
import urllib.parse
import uuid

import stand_in
from stand_in import Answer

JSON = {"Content-Type": "application/x-amz-json-1.1"}
EXPIRATION = "2030-01-01T00:00:00Z"


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_is_good(request, secret, parts):
    """Whether the request's signature is that of `secret` over what was received."""
    names = parts["SignedHeaders"].split(";")
    headers = {k.lower(): v for k, v in request.headers.items()}
    if "host" not in names or "x-amz-date" not in names:
        return False
    canonical = "\n".join([request.method, request.raw_path, "",
                           *("%s:%s" % (n, " ".join(headers.get(n, "").split())) for n in names),
                           "", ";".join(names), hashlib.sha256(request.body).hexdigest()])
    _, day, region, service, _ = parts["Credential"].split("/")
    scope = "/".join([day, region, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = digest(digest(digest(digest(b"AWS4" + secret.encode(), day), region), service),
                 "aws4_request")
    return hmac.compare_digest(digest(key, text).hex(), parts["Signature"])


class Aws(stand_in.StandIn):
    def error(self, kind, message, status=400):
        return Answer(status, {"__type": kind, "Message" if "Denied" in kind else "message": message},
                      {**JSON, "x-amzn-RequestId": str(uuid.uuid4())})

    def answer(self, request, config):
        if request.path.startswith("/latest/"):
            return self.metadata(request, config)
        if request.path == "/container":
            return self.container(request, config)
        if "application/x-www-form-urlencoded" in request.headers.get("Content-Type", ""):
            return self.sts(request, config)
        failure = self.authenticate(request, config)
        return failure or self.secrets_manager(request, config)

    def authenticate(self, request, config):
        header = request.headers.get("Authorization")
        if not header:
            return self.error("MissingAuthenticationTokenException", "Missing Authentication Token")
        parts = dict(re.findall(r"(\w+)=([^,\s]+)", header))
        key = config["keys"].get(parts.get("Credential", "").split("/")[0])
        if key is None or key.get("token") != request.headers.get("X-Amz-Security-Token"):
            return self.error("UnrecognizedClientException",
                              "The security token included in the request is invalid.")
        if not signature_is_good(request, key["secret"], parts):
            return self.error("InvalidSignatureException",
                              "The request signature we calculated does not match the signature you "
                              "provided. Check your AWS Secret Access Key and signing method.", 403)
        if key.get("expired"):
            return self.error("ExpiredTokenException",
                              "The security token included in the request is expired")
        return None

    def secrets_manager(self, request, config):
        if request.headers.get("X-Amz-Target") != "secretsmanager.GetSecretValue":
            return self.error("UnknownOperationException", "")
        body = request.json()
        name = body["SecretId"]
        if name.startswith("arn:"):
            name = name.split(":", 6)[6][:-7]
        if name in config.get("denied", []):
            return self.error("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized "
                              "to perform: secretsmanager:GetSecretValue on resource: " + name)
        secret = config["secrets"].get(name)
        if secret is None:
            return self.error("ResourceNotFoundException",
                              "Secrets Manager can't find the specified secret.")
        if secret.get("deleted"):
            return self.error("InvalidRequestException", "You can't perform this operation on the "
                              "secret because it was marked for deletion.")
        wanted = body.get("VersionId")
        stage = body.get("VersionStage") or (None if wanted else "AWSCURRENT")
        for version_id, version in secret["versions"].items():
            if (wanted in (None, version_id)) and (stage is None or stage in version["stages"]):
                return Answer(200, self.value(name, version_id, version), JSON)
        return self.error("ResourceNotFoundException", "Secrets Manager can't find the specified "
                          "secret value for staging label: %s" % stage)

    @staticmethod
    def value(name, version_id, version):
        answer = {"ARN": "arn:aws:secretsmanager:us-east-1:1:secret:%s-AbCdEf" % name, "Name": name,
                  "VersionId": version_id, "VersionStages": version["stages"],
                  "CreatedDate": 1523477145.713}
        if "binary" in version:
            return {**answer, "SecretBinary": version["binary"]}
        return {**answer, "SecretString": version["string"]}

    def sts(self, request, config):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        action = form.get("Action")
        if action == "AssumeRole":
            if self.authenticate(request, config):
                return self.sts_error("SignatureDoesNotMatch", "The signature is wrong.")
        elif action != "AssumeRoleWithWebIdentity":
            return self.sts_error("InvalidAction", "Could not find operation %s" % action)
        elif form.get("WebIdentityToken") != config.get("jwt"):
            return self.sts_error("InvalidIdentityToken", "The token is not good.", 400)
        if form.get("RoleArn") not in config.get("roles", {}) or not form.get("RoleSessionName"):
            return self.sts_error("AccessDenied", "not authorized to perform: sts:" + action)
        key = config["roles"][form["RoleArn"]]
        return Answer(200, {action + "Response": {action + "Result": {"Credentials": {
            "AccessKeyId": key, "SecretAccessKey": config["keys"][key]["secret"],
            "SessionToken": config["keys"][key]["token"], "Expiration": 1893456000.0}},
            "ResponseMetadata": {"RequestId": str(uuid.uuid4())}}})

    @staticmethod
    def sts_error(code, message, status=403):
        return Answer(status, {"Error": {"Code": code, "Message": message, "Type": "Sender"},
                               "RequestId": str(uuid.uuid4())})

    @staticmethod
    def temporary(config, key, **more):
        return {"AccessKeyId": key, "SecretAccessKey": config["keys"][key]["secret"],
                "Token": config["keys"][key]["token"], "Expiration": EXPIRATION, **more}

    def container(self, request, config):
        container = config.get("container")
        if container is None or request.headers.get("Authorization") != container["token"]:
            return Answer(401, {"message": "unauthorized"})
        return Answer(200, self.temporary(config, container["key"]))

    def metadata(self, request, config):
        instance = config.get("instance")
        if instance is None:
            return Answer(404)
        if request.path == "/latest/api/token":
            if request.method != "PUT" or not request.headers.get(
                    "X-aws-ec2-metadata-token-ttl-seconds"):
                return Answer(400)
            return Answer(200, b"metadata-token", {"Content-Type": "text/plain"})
        if request.headers.get("X-aws-ec2-metadata-token") != "metadata-token":
            return Answer(401)
        if request.path == "/latest/meta-data/iam/security-credentials/":
            return Answer(200, instance["role"].encode(), {"Content-Type": "text/plain"})
        if request.path.endswith("/" + instance["role"]):
            return Answer(200, self.temporary(config, instance["key"], Code="Success",
                                              Type="AWS-HMAC"))
        return Answer(404)


if __name__ == "__main__":
    stand_in.serve(Aws)
