"""A stand-in for HashiCorp Vault and OpenBao.

config.json, beside what stand_in.py says:

  tokens      {"hvs.…": {"uses": N}}: tokens that are good (uses: how often, default: always)
  mounts      {"secret/": {"type": "kv", "options": {"version": "2"}}}
  secrets     {"secret/app": [{"data": {…}, "deleted": true, "destroyed": true}, …]}: versions, in
              order; for a version 1 mount the last one counts; for another engine it is a template
              of what each read makes, with $N replaced by a number
  namespaces  {"team": {"mounts": …, "secrets": …}}
  denied      [path prefix, …]: what the policy forbids
  approles    {"role id": "secret id"}
  jwt_roles   {"role": "jwt"}: for the methods jwt and kubernetes
  wrapped     {"hvs.wrap": {"auth": {…}} or {"data": {…}}}: each good for one use
  lease       seconds of leases and logins (default 3600)
  old_server  true: does not know sys/internal/ui/mounts
  sealed      true
  cas_races   N: before each of the first N writes another one gets in
  read_only   true: no policy lets anything be written

What is written to a key/value engine stays as long as the server runs.
"""
import copy
import threading
import uuid

import stand_in
from stand_in import Answer


def envelope(data=None, auth=None, lease_id="", renewable=False, duration=0, warnings=None):
    return {"request_id": str(uuid.uuid4()), "lease_id": lease_id, "renewable": renewable,
            "lease_duration": duration, "data": data, "wrap_info": None, "warnings": warnings,
            "auth": auth}


def errors(status, *texts):
    return Answer(status, {"errors": list(texts)})


class Vault(stand_in.StandIn):
    def __init__(self, directory):
        super().__init__(directory)
        self.state = threading.RLock()
        self.uses = {}
        self.made_tokens = set()
        self.revoked = []
        self.leases = {}
        self.unwrapped = set()
        self.count = 0
        self.written = {}  # path -> all its versions
        self.races = 0

    def answer(self, request, config):
        with self.state:
            if config.get("sealed"):
                return errors(503, "Vault is sealed")
            if not request.path.startswith("/v1/"):
                return errors(404)
            path = request.path[len("/v1/"):]
            space = (request.headers.get("X-Vault-Namespace") or "").strip("/")
            world = config if not space else config.get("namespaces", {}).get(space)
            if world is not None and self.written and not space:
                world = copy.deepcopy(world)
                world.setdefault("secrets", {}).update(self.written)
            if world is None:
                return errors(404, "no handler for route \"%s\". route entry not found." % path)
            if path.startswith("auth/") and path.endswith("/login"):
                return self.login(path, request, config)
            token = request.headers.get("X-Vault-Token")
            bearer = request.headers.get("Authorization") or ""
            token = token or bearer.removeprefix("Bearer ")
            if path == "sys/wrapping/unwrap":
                return self.unwrap(token, request, config)
            if not token:
                return errors(400, "missing client token")
            if not self.is_good(token, config):
                return errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
            return self.dispatch(path, request, token, config, world)

    def is_good(self, token, config):
        if token in self.revoked:
            return False
        if token in self.made_tokens:
            return True
        if token not in config.get("tokens", {}):
            return False
        allowed = config["tokens"][token].get("uses")
        self.uses[token] = self.uses.get(token, 0) + 1
        return allowed is None or self.uses[token] <= allowed

    def new_token(self, config, metadata):
        token = "hvs.made-%s" % uuid.uuid4().hex
        self.made_tokens.add(token)
        return {"client_token": token, "accessor": uuid.uuid4().hex, "policies": ["default"],
                "token_policies": ["default"], "metadata": metadata, "entity_id": str(uuid.uuid4()),
                "lease_duration": config.get("lease", 3600), "renewable": True,
                "token_type": "service", "orphan": True, "mfa_requirement": None, "num_uses": 0}

    def login(self, path, request, config):
        body = request.json()
        if body is None:
            return errors(400, "failed to parse JSON input")
        if "role_id" in body:
            if config.get("approles", {}).get(body["role_id"]) != body.get("secret_id"):
                return errors(400, "invalid role or secret ID")
            auth = self.new_token(config, {"role_name": "app"})
        else:
            role = body.get("role")
            if role not in config.get("jwt_roles", {}):
                return errors(400, "role \"%s\" could not be found" % role)
            if config["jwt_roles"][role] != body.get("jwt"):
                return errors(403, "permission denied")
            auth = self.new_token(config, {"role": role})
        return Answer(200, envelope(auth=auth, warnings=None))

    def unwrap(self, token, request, config):
        wrapped = (request.json() or {}).get("token") or token
        known = config.get("wrapped", {}).get(wrapped)
        if known is None or wrapped in self.unwrapped:
            return errors(400, "wrapping token is not valid or does not exist")
        self.unwrapped.add(wrapped)
        return Answer(200, {**envelope(), **known})

    def dispatch(self, path, request, token, config, world):
        lease = config.get("lease", 3600)
        if path == "auth/token/lookup-self":
            return Answer(200, envelope({"id": token, "accessor": "a", "policies": ["default"],
                                         "ttl": lease, "renewable": True, "num_uses": 0,
                                         "expire_time": None, "type": "service"}))
        if path == "auth/token/renew-self":
            return Answer(200, envelope(auth={"client_token": token, "lease_duration": lease,
                                              "renewable": True, "policies": ["default"]}))
        if path == "auth/token/revoke-self":
            self.revoked.append(token)
            return Answer(204)
        if path in ("sys/leases/renew", "sys/leases/revoke", "sys/renew", "sys/revoke"):
            return self.change_lease(path.rsplit("/", 1)[1], request, lease)
        if path.startswith("sys/internal/ui/mounts/"):
            return self.preflight(path[len("sys/internal/ui/mounts/"):], config, world)
        if any(path.startswith(prefix) for prefix in config.get("denied", [])):
            return errors(403, "1 error occurred:\n\t* permission denied\n\n")
        if request.method in ("POST", "PUT"):
            return self.write(path, request, config, world)
        return self.read(path, request, lease, world)

    def write(self, path, request, config, world):
        mount = self.mount_of(path, world)
        if mount is None or world["mounts"][mount]["type"] != "kv":
            return errors(404, "no handler for route \"%s\". route entry not found." % path)
        if config.get("read_only"):
            return errors(403, "1 error occurred:\n\t* permission denied\n\n")
        body = request.json()
        if not isinstance(body, dict):
            return errors(400, "failed to parse JSON input")
        if (world["mounts"][mount].get("options") or {}).get("version") != "2":
            self.written[path] = [{"data": body}]
            return Answer(204)
        if not path.startswith(mount + "data/"):
            return Answer(404, {"errors": [], "warnings": ["Invalid path for a versioned K/V "
                                                           "secrets engine."]})
        name = mount + path[len(mount + "data/"):]
        versions = list(world.get("secrets", {}).get(name, []))
        if self.races < config.get("cas_races", 0):
            self.races += 1
            versions.append({"data": {"raced": "in"}})
            self.written[name] = versions
        cas = (body.get("options") or {}).get("cas")
        if cas is not None and cas != len(versions):
            return errors(400, "check-and-set parameter did not match the current version")
        self.written[name] = versions + [{"data": body["data"]}]
        return Answer(200, envelope({"created_time": "2026-01-01T00:00:00.000000000Z",
                                     "custom_metadata": None, "deletion_time": "",
                                     "destroyed": False, "version": len(versions) + 1}))

    def change_lease(self, operation, request, lease):
        lease_id = (request.json() or {}).get("lease_id", "")
        if lease_id not in self.leases:
            return errors(400, "lease not found" if operation == "renew" else "invalid lease ID")
        if operation == "revoke":
            del self.leases[lease_id]
            return Answer(204)
        self.leases[lease_id] += 1
        return Answer(200, envelope(lease_id=lease_id, renewable=True, duration=lease))

    @staticmethod
    def mount_of(path, world):
        fitting = [m for m in world.get("mounts", {}) if (path + "/").startswith(m)]
        return max(fitting, key=len) if fitting else None

    def preflight(self, path, config, world):
        if config.get("old_server"):
            return errors(404)
        mount = self.mount_of(path, world)
        denied = any((path + "/").startswith(prefix) for prefix in config.get("preflight_denied", []))
        if mount is None or denied:
            return errors(403, "preflight capability check returned 403, please ensure client's "
                               "policies grant access to path \"%s/\"" % path.split("/")[0])
        return Answer(200, envelope({"accessor": "kv_1", "config": {}, "description": "",
                                     "path": mount, "uuid": str(uuid.uuid4()),
                                     **world["mounts"][mount]}))

    def read(self, path, request, lease, world):
        mount = self.mount_of(path, world)
        if mount is None:
            return errors(404, "no handler for route \"%s\". route entry not found." % path)
        kind = world["mounts"][mount]
        inside = path[len(mount):]
        versioned = (kind.get("options") or {}).get("version") == "2"
        listing = request.method == "LIST" or request.query.get("list") == "true"
        if versioned:
            prefix = "metadata/" if listing else "data/"
            inside += "/" if listing and not inside.endswith("/") else ""
            if not inside.startswith(prefix):
                return Answer(404, {"errors": [], "warnings": [
                    "Invalid path for a versioned K/V secrets engine. See the API docs for the "
                    "appropriate API endpoints to use."]})
            inside = inside[len(prefix):]
        if listing:
            return self.listing(mount + inside, world)
        versions = world.get("secrets", {}).get(mount + inside)
        if versions is None:
            return errors(404)
        if versioned:
            return self.read_version(versions, int(request.query.get("version") or 0))
        if kind["type"] != "kv":
            return self.make(path, versions[-1]["data"], lease)
        return Answer(200, envelope(versions[-1]["data"], duration=2764800))

    @staticmethod
    def read_version(versions, wanted):
        number = wanted or len(versions)
        if number > len(versions):
            return errors(404)
        version = versions[number - 1]
        gone = version.get("deleted") or version.get("destroyed")
        metadata = {"created_time": "2026-01-01T00:00:00.000000000Z", "custom_metadata": None,
                    "deletion_time": "2026-02-01T00:00:00.000000000Z" if gone else "",
                    "destroyed": bool(version.get("destroyed")), "version": number}
        return Answer(404 if gone else 200, envelope(
            {"data": None if gone else version["data"], "metadata": metadata}))

    @staticmethod
    def listing(prefix, world):
        prefix = prefix if prefix.endswith("/") else prefix + "/"
        keys = set()
        for name in world.get("secrets", {}):
            if name.startswith(prefix):
                first, slash, _ = name[len(prefix):].partition("/")
                keys.add(first + slash)
        return Answer(200, envelope({"keys": sorted(keys)})) if keys else errors(404)

    def make(self, path, template, lease):
        self.count += 1
        lease_id = "%s/%s" % (path, uuid.uuid4().hex[:24])
        self.leases[lease_id] = 0
        data = {key: str(value).replace("$N", str(self.count)) for key, value in template.items()}
        return Answer(200, envelope(data, lease_id=lease_id, renewable=True, duration=lease))


if __name__ == "__main__":
    stand_in.serve(Vault)
