"""A stand-in for a 1Password Connect server (REST API 1.7).

config.json, beside what stand_in.py says:

  token   the token that is good
  vaults  [{"id", "name", "items": [full items as the API gives them]}]
  files   {"file id": "content"}
  hidden  [vault id, …]: vaults outside the token's scope
  read_only  true: the token may not write

Items that are made stay as long as the server runs. mangle: true stores another value than it was
given.
"""
import copy
import re
import uuid

import stand_in
from stand_in import Answer

STAMP = "2026-01-01T00:00:00Z"
ID = re.compile(r"[\da-z]{26}")


def error(status, message):
    return Answer(status, {"status": status, "message": message})


def fits(text, query):
    """SCIM's `attribute eq "value"`; an absent filter fits everything."""
    wanted = re.fullmatch(r'\w+ eq "(.*)"', query.get("filter", ""))
    return wanted is None or wanted.group(1) == text


class Connect(stand_in.StandIn):
    def __init__(self, directory):
        super().__init__(directory)
        self.made = {}  # vault id -> items

    def answer(self, request, config):
        config = copy.deepcopy(config)
        for vault in config["vaults"]:
            vault["items"] = vault["items"] + self.made.get(vault["id"], [])
        if request.path == "/heartbeat":
            return Answer(200, b".", {"Content-Type": "text/plain"})
        if request.headers.get("Authorization") != "Bearer " + config["token"]:
            return error(401, "Invalid token signature")
        parts = request.path.strip("/").split("/")
        if parts[:2] != ["v1", "vaults"]:
            return error(404, "not found")
        visible = [v for v in config["vaults"] if v["id"] not in config.get("hidden", [])]
        if len(parts) == 2:
            return Answer(200, [self.vault(v) for v in visible if fits(v["name"], request.query)])
        if not ID.fullmatch(parts[2]):
            return error(400, "Invalid Vault UUID")
        if parts[2] in config.get("hidden", []):
            return error(403, "vault %s is not in scope" % parts[2])
        vault = next((v for v in visible if v["id"] == parts[2]), None)
        if vault is None:
            return error(404, "vault %s not found" % parts[2])
        if len(parts) == 3:
            return Answer(200, self.vault(vault))
        if len(parts) == 4 and request.method == "POST":
            return self.make(vault, request.json(), config)
        if len(parts) == 4:
            return Answer(200, [self.summary(vault, i) for i in vault["items"]
                                if fits(i["title"], request.query)])
        return self.item(vault, parts[4:], config)

    def make(self, vault, body, config):
        if config.get("read_only"):
            return error(403, "Authorization: token does not have permission to perform create on "
                              "vault %s" % vault["id"])
        if not isinstance(body, dict) or body.get("vault", {}).get("id") != vault["id"]:
            return error(400, "Vault UUID in body does not match the path")
        if body.get("category") not in ("LOGIN", "PASSWORD", "API_CREDENTIAL", "SECURE_NOTE"):
            return error(400, "Invalid item category")
        item = {"id": uuid.uuid4().hex[:26], "title": body.get("title", "Untitled"), "version": 1,
                "category": body["category"], "sections": body.get("sections", []),
                "fields": [{"id": uuid.uuid4().hex[:26], **field} for field in body.get("fields", [])]}
        if config.get("mangle"):
            item["fields"][0]["value"] += "x"
        self.made.setdefault(vault["id"], []).append(item)
        return self.item({**vault, "items": [item]}, [item["id"]], config)

    def item(self, vault, parts, config):
        if not ID.fullmatch(parts[0]):
            return error(400, "Invalid Item UUID")
        item = next((i for i in vault["items"] if i["id"] == parts[0]), None)
        if item is None:
            return error(404, "item %s not found" % parts[0])
        if len(parts) == 1:
            return Answer(200, {**self.summary(vault, item), "sections": item.get("sections", []),
                                "fields": item.get("fields", []), "files": item.get("files", [])})
        if len(parts) == 4 and parts[1] == "files" and parts[3] == "content":
            content = config.get("files", {}).get(parts[2])
            if content is not None:
                return Answer(200, content.encode(), {"Content-Type": "application/octet-stream"})
        return error(404, "not found")

    @staticmethod
    def vault(vault):
        return {"id": vault["id"], "name": vault["name"], "attributeVersion": 1,
                "contentVersion": 3, "items": len(vault["items"]), "type": "USER_CREATED",
                "createdAt": STAMP, "updatedAt": STAMP}

    @staticmethod
    def summary(vault, item):
        return {"id": item["id"], "title": item["title"], "vault": {"id": vault["id"]},
                "category": item.get("category", "LOGIN"), "version": item.get("version", 1),
                "createdAt": STAMP, "updatedAt": STAMP,
                **({"state": item["state"]} if "state" in item else {})}


if __name__ == "__main__":
    stand_in.serve(Connect)
