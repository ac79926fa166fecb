#include "audit/verify.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "audit/files.h"
#include "audit/head.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::audit {

namespace {

using base::UniqueFd;
using Kind = Problem::Kind;

UniqueFd open_if_there(int directory, const std::string& name) {
  try {
    return base::open_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (const base::SystemError& error) {
    if (error.error() == ENOENT) {
      return UniqueFd();
    }
    throw;
  }
}

off_t size_of(int fd) {
  struct stat status = {};
  base::check(::fstat(fd, &status), "stat", "the audit log");
  return status.st_size;
}

struct File {
  std::string name;
  UniqueFd fd;
  off_t size = 0;
};

// The log at one moment. The files only grow, so that descriptors and sizes are enough.
struct Snapshot {
  std::vector<File> files;
  bool has_head = false;
  std::optional<Head> head;
};

void add_file(Snapshot& snapshot, int directory, const std::string& name) {
  UniqueFd fd = open_if_there(directory, name);
  if (fd) {
    const off_t size = size_of(fd.get());
    snapshot.files.push_back({name, std::move(fd), size});
  }
}

Snapshot take_snapshot(const std::string& path) {
  Snapshot snapshot;
  const UniqueFd directory = open_if_there(AT_FDCWD, path);
  if (!directory) {
    return snapshot;
  }
  const UniqueFd head = open_if_there(directory.get(), kHeadName);
  std::optional<Lock> lock;
  if (head) {
    lock.emplace(head.get(), LOCK_SH);
    snapshot.has_head = size_of(head.get()) != 0;
    snapshot.head = parse_head(read_head_text(head.get()));
  }
  std::uint64_t rolled = count_rolled(directory.get());
  if (snapshot.head && snapshot.head->roll > rolled) {
    rolled = snapshot.head->roll;  // one that is missing is found by the gap in the chain
  }
  // A head is not to be believed blindly: no more files than a directory can sensibly have.
  constexpr std::uint64_t kMostFiles = 10'000;
  for (std::uint64_t number = 1; number <= std::min(rolled, kMostFiles); ++number) {
    add_file(snapshot, directory.get(), rolled_name(number));
  }
  add_file(snapshot, directory.get(), kCurrentName);
  return snapshot;
}

// Calls use(file, line number, line) until it returns false.
template <typename Use>
void for_each_line(const Snapshot& snapshot, Use use) {
  for (const File& file : snapshot.files) {
    LineReader reader(file.fd.get(), 0, file.size);
    std::string_view line;
    for (std::uint64_t number = 1; reader.next(line); ++number) {
      if (!use(file, number, line)) {
        return;
      }
    }
  }
}

class Verifier {
 public:
  explicit Verifier(const Snapshot& snapshot) : snapshot_(snapshot) {}

  Verification run() {
    result_.hash = kNoHash;
    for_each_line(snapshot_, [this](const File& file, std::uint64_t number, std::string_view line) {
      check_line(file.name, number, line);
      return result_.ok();
    });
    if (result_.ok()) {
      check_rest();
    }
    if (result_.ok()) {
      check_head();
    }
    return std::move(result_);
  }

 private:
  void found(Kind kind, const std::string& file, std::uint64_t line, std::string message) {
    result_.problem = Problem{kind, file, line, std::move(message)};
  }

  void check_line(const std::string& file, std::uint64_t number, std::string_view line);
  void check_rest();
  void check_head();
  Kind kind_of_gap(const Chained& link) const;

  const Snapshot& snapshot_;
  Verification result_;
};

void Verifier::check_line(const std::string& file, std::uint64_t number, std::string_view line) {
  const auto link = parse_link(line);
  if (!link) {
    return found(Kind::kBrokenLine, file, number, "this line is not a record");
  }
  const std::string record = "record " + std::to_string(link->seq);
  if (link->computed != link->hash) {
    return found(Kind::kEdited, file, number, record + " was edited: its hash does not fit");
  }
  const std::uint64_t expected = result_.records + 1;
  if (link->seq != expected) {
    const Kind kind = kind_of_gap(*link);
    return found(kind, file, number,
                 "record " + std::to_string(expected) + " should stand here, not " + record);
  }
  if (link->prev != result_.hash) {
    return found(Kind::kEdited, file, number,
                 record +
                     " follows another record than the one before it: one of the two was "
                     "replaced");
  }
  const auto& head = snapshot_.head;
  if (head && head->seq == expected && head->hash != link->hash) {
    return found(Kind::kForeignHead, file, number, "the head names another " + record);
  }
  if (line.find(R"("event":"recover")") != line.npos) {
    result_.notes.push_back(record + " tells of a crash that was mended");
  }
  result_.records = expected;
  result_.hash = link->hash;
}

// Only on failure: whether the expected record stands elsewhere, or this one stood before.
Kind Verifier::kind_of_gap(const Chained& link) const {
  const std::uint64_t expected = result_.records + 1;
  bool elsewhere = false;
  int copies = 0;
  for_each_line(snapshot_, [&](const File&, std::uint64_t, std::string_view line) {
    const auto other = parse_link(line);
    elsewhere = elsewhere || (other && other->seq == expected);
    copies += other && other->hash == link.hash ? 1 : 0;
    return true;
  });
  if (link.seq < expected) {
    return copies > 1 ? Kind::kDuplicated : Kind::kInserted;
  }
  return elsewhere ? Kind::kReordered : Kind::kDeleted;
}

// Each file ends with a newline, but for what a crash left at the very end.
void Verifier::check_rest() {
  for (const File& file : snapshot_.files) {
    char last = '\n';
    if (file.size > 0) {
      base::check(::pread(file.fd.get(), &last, 1, file.size - 1), "read", file.name);
    }
    if (last == '\n') {
      continue;
    }
    if (file.name != kCurrentName) {
      return found(Kind::kBrokenLine, file.name, 0, "its last line is not finished");
    }
    result_.notes.push_back("a crash left an unfinished line; the next record removes it");
  }
}

void Verifier::check_head() {
  if (!snapshot_.has_head && result_.records == 0) {
    return;
  }
  if (!snapshot_.head) {
    return found(Kind::kForeignHead, kHeadName, 0,
                 snapshot_.has_head ? "the head is damaged" : "the head is missing");
  }
  const Head& head = *snapshot_.head;
  const bool restarted = head.boot != boot_id();
  if (head.seq > result_.records) {
    const bool crash = restarted && head.synced <= result_.records;
    return found(Kind::kCutTail, kCurrentName, 0,
                 "records " + std::to_string(result_.records + 1) + " to " +
                     std::to_string(head.seq) + " are missing from the end" +
                     (crash ? "; they were not synced and the machine has restarted since, so a "
                              "crash may have lost them"
                            : ""));
  }
  const std::uint64_t ahead = result_.records - head.seq;
  if (ahead > 1 && !restarted) {
    return found(Kind::kForeignHead, kHeadName, 0,
                 "the head names record " + std::to_string(head.seq) +
                     " as the last, but there are " + std::to_string(result_.records));
  }
  if (ahead != 0) {
    result_.notes.push_back("a crash left the head " + std::to_string(ahead) +
                            " behind; the next record mends it");
  }
}

}  // namespace

const char* problem_name(Problem::Kind kind) {
  switch (kind) {
    case Kind::kEdited:
      return "edited";
    case Kind::kDeleted:
      return "deleted";
    case Kind::kReordered:
      return "reordered";
    case Kind::kDuplicated:
      return "duplicated";
    case Kind::kInserted:
      return "inserted";
    case Kind::kCutTail:
      return "cut tail";
    case Kind::kBrokenLine:
      return "broken line";
    case Kind::kForeignHead:
      return "foreign head";
  }
  return "unknown";
}

Verification verify(const std::string& directory) {
  return Verifier(take_snapshot(directory)).run();
}

}  // namespace agentbox::audit
