"""A stand-in for Doppler's HTTP API (v3).

config.json, beside what stand_in.py says:

  tokens   {"dp.st.…": {"project": "p", "config": "dev"} or {} for one that sees all}
  configs  {"project/config": {"NAME": "value" or null for a restricted one}}
"""
import stand_in
from stand_in import Answer


def error(status, *messages):
    return Answer(status, {"messages": list(messages), "success": False})


class Doppler(stand_in.StandIn):
    def answer(self, request, config):
        kind, _, token = (request.headers.get("Authorization") or "").partition(" ")
        scope = config["tokens"].get(token) if kind == "Bearer" else None
        if scope is None:
            return error(401, "Invalid Service token" if token.startswith("dp.st.")
                         else "Invalid Auth token")
        project = request.query.get("project") or scope.get("project")
        name = request.query.get("config") or scope.get("config")
        if not project or not name:
            return error(400, "You must specify a project and a config")
        if scope and (scope["project"], scope["config"]) != (project, name):
            return error(403, "This token does not have access to requested config '%s'" % name)
        if not any(key.startswith(project + "/") for key in config["configs"]):
            return error(404, "Could not find requested project '%s'" % project)
        secrets = config["configs"].get("%s/%s" % (project, name))
        if secrets is None:
            return error(404, "Could not find requested config '%s'" % name)
        if request.path == "/v3/configs/config/secrets/names":
            return Answer(200, {"names": sorted(secrets), "success": True})
        if request.path != "/v3/configs/config/secrets":
            return error(404, "Not found")
        wanted = request.query.get("secrets")
        chosen = secrets if wanted is None else {
            key: secrets[key] for key in wanted.split(",") if key in secrets}
        return Answer(200, {"secrets": {key: self.secret(value) for key, value in chosen.items()},
                            "success": True})

    @staticmethod
    def secret(value):
        visibility = "restricted" if value is None else "masked"
        return {"raw": value, "computed": value, "note": "", "rawVisibility": visibility,
                "computedVisibility": visibility}


if __name__ == "__main__":
    stand_in.serve(Doppler)
