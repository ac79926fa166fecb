#include "launcher/session/check.h"

#include "base/directories.h"
#include "launcher/session/leases.h"
#include "launcher/session/prepared.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"

namespace agentbox::session {

std::vector<Checked> check(const RunRequest& request) {
  const Prepared prepared(request);
  const std::vector<Grant> grants = collect_grants(prepared.policy, request.scope, prepared.project,
                                                   prepared.layers.templates, request.env_files);
  Recorder recorder(base::state_directory() + "/audit",
                    common_record(prepared, request, first_place(request.scope)));
  resolver::Resolver resolver = make_resolver(prepared.project);
  const Leases leases(resolver, recorder);
  const std::vector<Wanted> all = wanted(grants);
  const std::vector<resolver::Resolution> resolutions = resolve(all, resolver, recorder);
  std::vector<Checked> checked;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Checked one;
    one.name = all[i].name;
    one.reference = all[i].reference.text;
    one.backend = resolutions[i].backend;
    one.latency = resolutions[i].latency;
    if (const auto* value = std::get_if<resolver::Value>(&resolutions[i].answer)) {
      one.version = value->version;
    } else {
      const auto& failed = std::get<resolver::Failed>(resolutions[i].answer);
      one.error = failed.message;
      one.hint = failed.hint;
    }
    checked.push_back(std::move(one));
  }
  return checked;
}

}  // namespace agentbox::session
