#include "launcher/view/git_index.h"

#include <algorithm>
#include <boost/uuid/detail/sha1.hpp>

#include "base/sha256.h"

namespace agentbox::view {
namespace {

constexpr std::size_t kHeader = 12;  // "DIRC", version, number of entries
constexpr std::size_t kStat = 40;    // of an entry, before the object's name
constexpr std::size_t kMode = 24;    // in it
constexpr std::size_t kSha1 = 20, kSha256 = 32;

constexpr std::uint16_t kExtended = 0x4000, kStage = 0x3000, kNameLength = 0x0fff;
// In the extended flags.
constexpr std::uint16_t kSkipWorktree = 0x4000, kIntentToAdd = 0x2000;

constexpr std::uint32_t kType = 0170000, kSubmodule = 0160000, kDirectory = 0040000;

std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

std::uint32_t word(std::string_view bytes, std::size_t at) { return number(bytes, at, 4); }
std::uint16_t half(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(number(bytes, at, 2));
}

void append(std::string* bytes, std::uint32_t value, int size) {
  while (size-- > 0) {
    *bytes += static_cast<char>(value >> (8 * size) & 0xff);
  }
}

std::string sha1(std::string_view bytes) {
  boost::uuids::detail::sha1 hash;
  hash.process_bytes(bytes.data(), bytes.size());
  unsigned int words[5];
  hash.get_digest(words);
  std::string digest;
  for (const unsigned int part : words) {
    append(&digest, part, 4);
  }
  return digest;
}

std::string sha256(std::string_view bytes) {
  const std::string hex = base::sha256_hex(bytes);
  std::string digest;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    digest += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return digest;
}

bool known_mode(std::uint32_t mode) {
  return mode == 0100644 || mode == 0100755 || mode == 0120000 || mode == kSubmodule ||
         mode == kDirectory || mode == 0100664;  // the last by early versions of git
}

}  // namespace

std::optional<GitIndex> GitIndex::parse(std::string_view bytes) {
  // Nothing in the index says which hash it uses; only one of them fits.
  for (const std::size_t digest : {kSha1, kSha256}) {
    GitIndex index(bytes, digest);
    if (index.read()) {
      return index;
    }
  }
  return std::nullopt;
}

bool GitIndex::read() {
  if (bytes_.size() < kHeader + digest_ || !bytes_.starts_with("DIRC")) {
    return false;
  }
  version_ = word(bytes_, 4);
  const std::uint32_t count = word(bytes_, 8);
  if (version_ < 2 || version_ > 4 || count > (end() - kHeader) / (kStat + digest_ + 4)) {
    return false;
  }
  entries_.reserve(count);
  std::size_t at = kHeader;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_entry(&at)) {
      return false;
    }
  }
  return read_extensions(at);
}

bool GitIndex::read_entry(std::size_t* at) {
  Entry entry;
  entry.start = *at;
  entry.name = *at + kStat + digest_ + 2;
  if (entry.name + 2 > end()) {
    return false;
  }
  const std::uint32_t mode = word(bytes_, *at + kMode);
  entry.submodule = mode == kSubmodule;
  entry.sparse_directory = (mode & kType) == kDirectory;
  entry.flags = half(bytes_, entry.name - 2);
  entry.stage = (entry.flags & kStage) >> 12;
  if (!known_mode(mode)) {
    return false;
  }
  if ((entry.flags & kExtended) != 0) {
    entry.extended = half(bytes_, entry.name);
    entry.name += 2;
    if (version_ < 3 || (entry.extended & ~(kSkipWorktree | kIntentToAdd)) != 0) {
      return false;
    }
  }
  entry.skip_worktree = (entry.extended & kSkipWorktree) != 0;
  std::size_t text = entry.name;
  std::size_t kept = 0;  // of the last name
  if (version_ == 4) {
    // As offsets in a pack: each further byte adds one, so that no number has two forms.
    std::size_t removed = 0;
    for (bool first = true, more = true; more; first = false, ++text) {
      if (text >= end() || removed > bytes_.size()) {
        return false;
      }
      const auto byte = static_cast<unsigned char>(bytes_[text]);
      removed = first ? byte & 0x7fu : (removed + 1) << 7 | (byte & 0x7fu);
      more = (byte & 0x80) != 0;
    }
    const std::size_t last = entries_.empty() ? 0 : entries_.back().path.size();
    if (removed > last) {
      return false;
    }
    kept = last - removed;
  }
  const std::size_t nul = bytes_.substr(0, end()).find('\0', text);
  if (nul == std::string_view::npos) {
    return false;
  }
  entry.path = bytes_.substr(text, nul - text);
  *at = nul + 1;
  if (version_ == 4) {
    std::string path(kept == 0 ? std::string_view() : entries_.back().path.substr(0, kept));
    path += entry.path;
    entry.path = unpacked_.emplace_back(std::move(path));
    entry.name_size = nul + 1 - entry.name;
  } else {
    entry.name_size = nul - text;
    // One to eight NULs, up to a multiple of eight.
    *at = entry.start + ((nul - entry.start + 8) & ~std::size_t{7});
    if (*at > end() || bytes_.substr(nul, *at - nul).find_first_not_of('\0') != std::string::npos) {
      return false;
    }
  }
  if (entry.path.empty() || entry.path.front() == '/' ||
      (entry.flags & kNameLength) != std::min<std::size_t>(entry.path.size(), kNameLength)) {
    return false;
  }
  if (!entries_.empty()) {
    const Entry& last = entries_.back();
    const int order = last.path.compare(entry.path);
    if (order > 0 || (order == 0 && (last.stage == 0 || last.stage >= entry.stage))) {
      return false;
    }
  }
  entries_.push_back(entry);
  return true;
}

bool GitIndex::read_extensions(std::size_t at) {
  while (at < end()) {
    if (end() - at < 8) {
      return false;
    }
    const std::string_view name = bytes_.substr(at, 4);
    const std::size_t size = word(bytes_, at + 4);
    if (size > end() - at - 8) {
      return false;
    }
    if (name == "TREE" || name == "REUC" || name == "sdir") {
      extensions_ += bytes_.substr(at, 8 + size);
    } else if (name == "UNTR" || name == "FSMN") {
      remembers_worktree_ = true;
    } else if (name.front() < 'A' || name.front() > 'Z') {
      return false;  // "link" (a split index), or what one must understand and we do not
    }
    at += 8 + size;
  }
  return true;
}

const GitIndex::Entry* GitIndex::find(std::string_view path) const {
  const auto found =
      std::lower_bound(entries_.begin(), entries_.end(), path,
                       [](const Entry& entry, std::string_view to) { return entry.path < to; });
  const bool there = found != entries_.end() && found->path == path && found->stage == 0;
  return there ? &*found : nullptr;
}

bool GitIndex::unchanged(const Entry& entry, const struct stat& file,
                         const struct stat& index) const {
  const auto at = [&](std::size_t field) { return word(bytes_, entry.start + field); };
  const auto low = [](auto value) { return static_cast<std::uint32_t>(value); };
  // Most builds of git compare these two by the second, and the index's time is put back by less
  // than one for a box (IndexFiles::Shown::older).
  return at(0) == low(file.st_ctim.tv_sec) && at(4) == low(file.st_ctim.tv_nsec) &&
         at(8) == low(file.st_mtim.tv_sec) && at(12) == low(file.st_mtim.tv_nsec) &&
         at(20) == low(file.st_ino) && at(36) == low(file.st_size) &&
         at(8) + 1 < low(index.st_mtim.tv_sec);
}

bool GitIndex::lists_same(const GitIndex& other) const {
  const auto object = [](const GitIndex& index, const Entry& entry) {
    return index.bytes_.substr(entry.start + kStat, index.digest_);
  };
  return std::equal(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                    [&](const Entry& a, const Entry& b) {
                      return a.path == b.path && a.extended == b.extended &&
                             (a.flags & ~kExtended) == (b.flags & ~kExtended) &&
                             word(bytes_, a.start + kMode) == word(other.bytes_, b.start + kMode) &&
                             object(*this, a) == object(other, b);
                    });
}

std::string GitIndex::checksum(std::string_view bytes) const {
  return digest_ == kSha1 ? sha1(bytes) : sha256(bytes);
}

bool GitIndex::checksum_holds() const {
  const std::string_view stored = bytes_.substr(end());
  return stored.find_first_not_of('\0') == std::string_view::npos ||
         stored == checksum(bytes_.substr(0, end()));
}

std::string GitIndex::with_skip_worktree(const std::vector<bool>& skip) const {
  std::vector<std::uint16_t> extended(entries_.size());
  bool any = false;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    extended[i] = static_cast<std::uint16_t>(entries_[i].extended & ~kSkipWorktree);
    if (skip[i]) {
      extended[i] |= kSkipWorktree;
    }
    any |= extended[i] != 0;
  }
  std::string bytes;
  bytes.reserve(bytes_.size() + entries_.size());
  bytes += "DIRC";
  append(&bytes, version_ == 4 ? 4 : any ? 3 : 2, 4);
  append(&bytes, static_cast<std::uint32_t>(entries_.size()), 4);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const std::size_t start = bytes.size();
    bytes += bytes_.substr(entry.start, kStat + digest_);
    const bool longer = extended[i] != 0;
    append(&bytes, static_cast<std::uint32_t>(entry.flags & ~kExtended) | (longer ? kExtended : 0u),
           2);
    if (longer) {
      append(&bytes, extended[i], 2);
    }
    bytes += bytes_.substr(entry.name, entry.name_size);
    if (version_ != 4) {
      bytes.append(8 - (bytes.size() - start) % 8, '\0');
    }
  }
  bytes += extensions_;
  const bool unhashed = bytes_.find_first_not_of('\0', end()) == std::string_view::npos;
  return bytes + (unhashed ? std::string(digest_, '\0') : checksum(bytes));
}

}  // namespace agentbox::view
