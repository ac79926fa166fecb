// Keeps a box from writing down, by accident, a value that was released to it.
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "launcher/view/file_server.h"

namespace agentbox::view {

std::string_view FileServer::guard_write(const Opened& file, const NodePtr& node,
                                         std::string_view bytes, off_t offset,
                                         std::string& masked) {
  policy::ContentDecision decision;
  if (config_.contents != nullptr) {
    decision = config_.contents->judge(storage_.home() ? "~/" + file.path : rules_path(file));
  }
  if (decision.write_secrets == policy::WriteSecrets::kAllow) {
    return bytes;
  }
  // A value comes in two writes, through whatever descriptor, if a program's buffer ends in it. A
  // file that its owner cannot read is looked at without what is in it.
  std::string before(
      std::min<std::size_t>(config_.released->reach(), static_cast<std::size_t>(offset)), '\0');
  const auto start = offset - static_cast<off_t>(before.size());
  if (const base::UniqueFd readable = reopen(file.fd.get(), O_RDONLY); readable) {
    before.resize(read_at(readable.get(), before.data(), before.size(), start));
  } else {
    before.clear();
  }
  if (start + static_cast<off_t>(before.size()) != offset) {
    before.clear();  // behind a hole
  }
  std::vector<Released::Hit> hits;
  config_.released->check(static_cast<std::uint64_t>(offset), before, bytes, masked, hits);
  ::explicit_bzero(before.data(), before.size());
  if (hits.empty()) {
    return bytes;
  }
  const bool deny = decision.write_secrets == policy::WriteSecrets::kDeny;
  // Not by the file's own descriptor: pwrite(2) to one with O_APPEND appends.
  const base::UniqueFd writable = reopen(file.fd.get(), O_WRONLY);
  checked(writable.get());
  for (const Released::Hit& hit : hits) {
    judge_.touched(deny ? Touch::Kind::kWriteDenied : Touch::Kind::kWriteMasked, file.path,
                   decision.write_rule, hit.what);
    const std::string stars(hit.written, '*');
    checked(::pwrite(writable.get(), stars.data(), stars.size(), static_cast<off_t>(hit.offset)));
  }
  if (deny) {
    fail(EACCES);
  }
  // The box's kernel has kept what was meant to be written.
  stale_.add({Stale::Kind::kContents, 0, node->id, {}});
  return masked;
}

}  // namespace agentbox::view
