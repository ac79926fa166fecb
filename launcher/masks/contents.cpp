#include "launcher/masks/contents.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/file.h"

namespace agentbox::masks {

namespace {

constexpr std::size_t kWindow = 1 << 20;  // bytes that are looked at at once

// What git keeps there is compressed, and can be larger than all the rest.
bool is_git_object(std::string_view path) {
  const std::size_t objects = path.find("/objects/");
  if (objects == std::string_view::npos) {
    return false;
  }
  const std::string_view above = path.substr(0, objects);
  return above == ".git" || above.starts_with(".git/") || above.ends_with("/.git") ||
         above.find("/.git/") != std::string_view::npos;
}

// Some bytes of a file, wiped afterwards.
class Window {
 public:
  Window() : bytes_(memory()) {}
  ~Window() { ::explicit_bzero(bytes_, used_); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  // Fewer than kWindow at the file's end.
  std::string_view read(int file, off_t offset, const std::string& path) {
    std::size_t length = 0;
    while (length < kWindow) {
      const ssize_t part =
          ::pread(file, bytes_ + length, kWindow - length, offset + static_cast<off_t>(length));
      if (part < 0 && errno == EINTR) {
        continue;
      }
      if (part <= 0) {
        base::check(part, "read", path);
        break;
      }
      length += static_cast<std::size_t>(part);
      used_ = std::max(used_, length);
    }
    return {bytes_, length};
  }

 private:
  static char* memory() {
    thread_local const auto bytes = std::make_unique<char[]>(kWindow);
    return bytes.get();
  }
  char* bytes_;
  std::size_t used_ = 0;
};

}  // namespace

std::optional<Contents::Finding> Contents::look(int directory, const std::string& name,
                                                const std::string& path) const {
  if (stop_ || is_git_object(path)) {
    return std::nullopt;
  }
  const policy::ContentDecision decision = search_.rules->judge(path);
  if (decision.detect == policy::Detect::kOff) {
    return std::nullopt;
  }
  Finding finding = {"", decision.detect_rule, decision.detect == policy::Detect::kReport};
  try {
    const base::UniqueFd file =
        base::open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    finding.what = find(file.get(), path);
  } catch (const base::SystemError& error) {
    const int number = error.error();
    finding.what = number == ENOENT || number == ENOTDIR || number == ELOOP ? "" : "cannot be read";
  }
  return finding.what.empty() ? std::nullopt : std::optional(std::move(finding));
}

std::string Contents::find(int file, const std::string& path) const {
  Window window;
  std::string what;
  for (off_t start = 0; !stop_; start += static_cast<off_t>(kWindow - search_.reach)) {
    // A hole can be larger than any disk.
    start = ::lseek(file, start, SEEK_DATA);
    if (start < 0 && errno == ENXIO) {
      break;
    }
    base::check(start, "read", path);
    const std::string_view text = window.read(file, start, path);
    what = search_.find(text, path);
    if (!what.empty() || text.size() < kWindow) {
      break;
    }
  }
  return what;
}

}  // namespace agentbox::masks
