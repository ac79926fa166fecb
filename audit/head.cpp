#include "audit/head.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace agentbox::audit {

std::string head_text(const Head& head) {
  std::string text =
      "{\"v\":1,\"roll\":" + std::to_string(head.roll) + ",\"seq\":" + std::to_string(head.seq) +
      ",\"hash\":\"" + head.hash + "\",\"size\":" + std::to_string(head.size) +
      ",\"synced\":" + std::to_string(head.synced) +
      ",\"synced_size\":" + std::to_string(head.synced_size) + ",\"boot\":\"" + head.boot + "\"}";
  text.resize(kHeadSize - 1, ' ');
  return text + '\n';
}

std::optional<Head> parse_head(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (text.size() != kHeadSize || !json.is_object() || json.size() != 8) {
    return std::nullopt;
  }
  for (const char* key : {"v", "roll", "seq", "size", "synced", "synced_size"}) {
    if (!json.contains(key) || !json.at(key).is_number_unsigned()) {
      return std::nullopt;
    }
  }
  for (const char* key : {"hash", "boot"}) {
    if (!json.contains(key) || !json.at(key).is_string()) {
      return std::nullopt;
    }
  }
  if (json.at("v") != 1u) {
    return std::nullopt;
  }
  return Head{.roll = json.at("roll"),
              .seq = json.at("seq"),
              .hash = json.at("hash"),
              .size = json.at("size"),
              .synced = json.at("synced"),
              .synced_size = json.at("synced_size"),
              .boot = json.at("boot")};
}

std::string read_head_text(int fd) {
  std::string text(kHeadSize, '\0');
  ssize_t n = 0;
  do {
    n = ::pread(fd, text.data(), text.size(), 0);
  } while (n < 0 && errno == EINTR);
  base::check(n, "read", "the audit log's head");
  text.resize(static_cast<std::size_t>(n));
  return text;
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string text = base::read_file("/proc/sys/kernel/random/boot_id", 64);
    while (!text.empty() && text.back() == '\n') {
      text.pop_back();
    }
    return text;
  }();
  return id;
}

}  // namespace agentbox::audit
