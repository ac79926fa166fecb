// Keeps a box from writing down, by accident, a value that was released to it.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "launcher/view/file_server.h"
#include "launcher/view/stars.h"

namespace agentbox::view {
namespace {

void write_all_at(int fd, std::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t part = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (part < 0 && errno == EINTR) {
      continue;
    }
    bytes.remove_prefix(static_cast<std::size_t>(checked(part)));
    offset += part;
  }
}

}  // namespace

std::string_view FileServer::guard_write(const Opened& file, const NodePtr& node,
                                         std::string_view bytes, off_t offset, std::string& text) {
  policy::ContentDecision decision;
  if (config_.contents != nullptr) {
    decision =
        config_.contents->judge(config_.home != nullptr ? "~/" + file.path : rules_path(file));
  }
  if (decision.write_secrets == policy::WriteSecrets::kAllow) {
    return bytes;
  }
  // A value comes in several writes, in any order, through whatever descriptor, if a program's
  // buffer ends in it or a page of a mapping does. What stands on both sides is read from the file,
  // unless its owner cannot.
  const std::size_t reach = config_.released->reach();
  const std::size_t ahead = std::min(reach, static_cast<std::size_t>(offset));
  const off_t end = offset + static_cast<off_t>(bytes.size());
  text.resize(ahead + bytes.size() + reach);
  std::size_t before = 0, after = 0;
  if (const base::UniqueFd readable = reopen(file.fd.get(), O_RDONLY); readable) {
    before = read_at(readable.get(), text.data(), ahead, offset - static_cast<off_t>(ahead));
    before = before == ahead ? ahead : 0;  // else behind a hole
    after = read_at(readable.get(), text.data() + before + bytes.size(), reach, end);
  }
  std::copy(bytes.begin(), bytes.end(), text.begin() + static_cast<std::ptrdiff_t>(before));
  text.resize(before + bytes.size() + after);
  std::vector<Secrets::Finding> found;
  config_.released->find(text, found);
  // What stands in the file as a whole was not written now.
  std::erase_if(found, [&](const Secrets::Finding& one) {
    return one.offset + one.length <= before || one.offset >= before + bytes.size();
  });
  if (found.empty()) {
    return bytes;
  }
  const bool deny = decision.write_secrets == policy::WriteSecrets::kDeny;
  for (const Secrets::Finding& one : found) {
    judge_.touched(deny ? Touch::Kind::kWriteDenied : Touch::Kind::kWriteMasked, file.path,
                   decision.write_rule, one.what);
    put_stars({text.data() + one.offset, one.length});
  }
  const std::size_t first = std::min(found.front().offset, before);
  const std::size_t last =
      std::max(found.back().offset + found.back().length, before + bytes.size());
  const std::string_view masked = text;
  // Not by the file's own descriptor: pwrite(2) to one with O_APPEND appends.
  const base::UniqueFd writable = reopen(file.fd.get(), O_WRONLY);
  checked(writable.get());
  write_all_at(writable.get(), masked.substr(first, before - first),
               offset - static_cast<off_t>(before - first));
  write_all_at(writable.get(), masked.substr(before + bytes.size(), last - before - bytes.size()),
               end);
  // The box's kernel has kept what was meant to be written.
  stale_.add({Stale::Kind::kContents, 0, node->id, {}});
  if (deny) {
    fail(EACCES);
  }
  return masked.substr(before, bytes.size());
}

}  // namespace agentbox::view
