"""A stand-in for Infisical's HTTP API.

config.json, beside what stand_in.py says:

  identities  {"client id": "client secret"}
  tokens      [tokens that are good]
  expired     [tokens that were good]
  folders     {"project/environment/path": {"secrets": {"NAME": "value" or null for a hidden one},
              "imports": ["project/environment/path", …]}}; a path begins with "/"
  forbidden   [project, …]: where the identity has no role
  v3_only     true: a server that does not know version 4
"""
import uuid

import stand_in
from stand_in import Answer


def error(status, name, message, **more):
    return Answer(status, {"reqId": "req-" + uuid.uuid4().hex[:12], "statusCode": status,
                           "message": message, "error": name, **more})


class Infisical(stand_in.StandIn):
    def __init__(self, directory):
        super().__init__(directory)
        self.made = set()
        self.revoked = set()

    def answer(self, request, config):
        if request.path == "/api/v1/auth/universal-auth/login":
            return self.login(request.json() or {}, config)
        if request.path == "/api/v1/auth/token/revoke":
            self.revoked.add((request.json() or {}).get("accessToken"))
            return Answer(200, {"message": "Successfully revoked access token"})
        versions = {"/api/v3/secrets/raw": ("workspaceId", "include_imports")}
        if not config.get("v3_only"):
            versions["/api/v4/secrets"] = ("projectId", "includeImports")
        if request.path not in versions:
            return Answer(404, {"message": "Route %s:%s not found" % (request.method, request.path),
                                "error": "Not Found", "statusCode": 404})
        kind, _, token = (request.headers.get("Authorization") or "").partition(" ")
        if token in config.get("expired", []) or token in self.revoked:
            return error(403, "TokenError", "Your token has expired. Please re-authenticate.")
        if kind != "Bearer" or (token not in config.get("tokens", []) and token not in self.made):
            return error(401, "Unauthorized", "Token missing")
        return self.list(request.query, config, *versions[request.path])

    def login(self, body, config):
        for field in ("clientId", "clientSecret"):
            if not isinstance(body.get(field), str):
                return error(422, "ValidationFailure", [{"path": [field], "message": "Required"}])
        if config.get("identities", {}).get(body["clientId"]) != body["clientSecret"]:
            return error(401, "Unauthorized", "Invalid credentials")
        token = "eyJ.made-%s" % uuid.uuid4().hex
        self.made.add(token)
        return Answer(200, {"accessToken": token, "expiresIn": 2592000,
                            "accessTokenMaxTTL": 2592000, "tokenType": "Bearer"})

    def list(self, query, config, project_field, imports_field):
        for field in (project_field, "environment"):
            if not query.get(field):
                return error(422, "ValidationFailure", [{"path": [field], "message": "Required"}])
        if query[project_field] in config.get("forbidden", []):
            return error(403, "PermissionDenied", "You are not allowed to read on secrets",
                         details=[])
        place = "%s/%s%s" % (query[project_field], query["environment"], query.get("secretPath", "/"))
        folder = config["folders"].get(place)
        if folder is None:
            return error(404, "NotFound", "Folder with path '%s' not found"
                         % query.get("secretPath", "/"))
        result = {"secrets": self.secrets(place, folder)}
        if query.get(imports_field) == "true":
            result["imports"] = [
                {"secretPath": other, "environment": other.split("/")[1], "folderId": "f",
                 "secrets": self.secrets(other, config["folders"][other])}
                for other in folder.get("imports", [])]
        return Answer(200, result)

    @staticmethod
    def secrets(place, folder):
        return [{"id": "s-" + name, "_id": "s-" + name, "workspace": place.split("/")[0],
                 "environment": place.split("/")[1], "version": 3, "type": "shared",
                 "secretKey": name, "secretValueHidden": value is None,
                 "secretValue": "<hidden-by-infisical>" if value is None else value,
                 "secretComment": "", "secretPath": "/", "tags": []}
                for name, value in folder["secrets"].items()]


if __name__ == "__main__":
    stand_in.serve(Infisical)
