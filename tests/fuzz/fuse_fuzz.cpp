// A view's answers to any sequence of requests that a box's kernel could send: no byte of a secret
// is in an answer, each request gets one answer of its own, and what is hidden or outside stays as
// it is. The input is a program: an opcode, the node it is about, and what that opcode needs.
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "launcher/view/file_server.h"
#include "launcher/view/fuse_operations.h"
#include "policy/floor.h"

namespace {

using namespace agentbox;

const std::string kSecret = "canary-0123456789-abcdefghij";

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "fuse: %s\n", what);
    std::abort();
  }
}

class Words : public view::Secrets {
 public:
  void find(std::string_view text, std::string_view,
            std::vector<Finding>& findings) const override {
    for (std::size_t at = text.find(kSecret); at != text.npos; at = text.find(kSecret, at + 1)) {
      findings.push_back({at, kSecret.size(), "word"});
    }
  }
  std::uint64_t digest() const override { return 1; }
};

// A project with a secret in each place that is not shown, and one in a shown file.
class Place {
 public:
  Place() {
    path_ = std::filesystem::path(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") /
            "agentbox-fuse-fuzz.XXXXXX";
    require(::mkdtemp(path_.data()) != nullptr, "no directory");
    for (const char* directory : {"/root", "/root/d", "/root/d/.aws", "/root/.git"}) {
      std::filesystem::create_directory(path_ + directory);
    }
    for (const char* file : {"/outside", "/root/.env", "/root/d/.aws/f", "/root/notes"}) {
      write(file, "KEY=" + kSecret + "\n");
    }
    write("/root/f", "text\n");
    write("/root/d/g", std::string(5000, 'x'));
    std::filesystem::create_symlink("../../outside", path_ + "/root/d/l");
    std::filesystem::create_hard_link(path_ + "/root/.env", path_ + "/root/d/second");
    for (const char* file : {"/outside", "/root/.env", "/root/d/.aws/f"}) {
      kept_.push_back(base::open_at(AT_FDCWD, path_ + file, O_RDONLY));
    }
  }
  // A directory may move with what is hidden in it, so the files are looked at, not their names.
  ~Place() {
    for (const base::UniqueFd& kept : kept_) {
      struct stat stat;
      require(::fstat(kept.get(), &stat) == 0 && ::lseek(kept.get(), 0, SEEK_SET) == 0 &&
                  base::read_all(kept.get(), 4096, "a kept file") == "KEY=" + kSecret + "\n",
              "a file that is not shown was changed");
      require(stat.st_nlink == (&kept == &kept_[1] ? 2 : 1), "a file that is not shown is lost");
    }
    open_up(path_);
    std::filesystem::remove_all(path_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::string root() const { return path_ + "/root"; }

 private:
  // A request may have closed any directory to its owner.
  static void open_up(const std::filesystem::path& directory) {
    ::chmod(directory.c_str(), 0700);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.is_directory() && !entry.is_symlink()) {
        open_up(entry);
      }
    }
  }

  void write(const char* name, const std::string& text) {
    const base::UniqueFd fd(::open((path_ + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    base::write_all(fd.get(), text);
  }

  std::string path_;
  std::vector<base::UniqueFd> kept_;
};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  bool more() const { return left_ > 0; }
  template <typename Number>
  Number number() {
    Number value = 0;
    const std::size_t size = std::min(left_, sizeof value);
    std::memcpy(&value, data_, size);
    skip(size);
    return value;
  }
  std::string bytes(std::size_t most) {
    const std::size_t size =
        std::min({static_cast<std::size_t>(number<std::uint8_t>()), left_, most});
    std::string text(reinterpret_cast<const char*>(data_), size);
    skip(size);
    return text;
  }
  // A name as a kernel passes it on: one component, not empty.
  std::string name() {
    static constexpr const char* kNames[] = {"f",      "d",    "g",  ".env",   "notes",
                                             "l",      ".aws", "..", "second", ".git",
                                             "config", "new",  ".",  "index"};
    const auto choice = number<std::uint8_t>();
    if (choice < std::size(kNames)) {
      return kNames[choice];
    }
    std::string text = bytes(255);
    text.resize(std::min(text.size(), text.find('\0')));
    std::replace(text.begin(), text.end(), '/', '_');
    return text.empty() ? "empty" : text;
  }
  // Small ones are small files; any other value stands for itself.
  std::uint64_t offset() {
    const auto value = number<std::uint16_t>();
    return value < 0xf000 ? value : number<std::uint64_t>() >> 1;
  }

 private:
  void skip(std::size_t size) {
    data_ += size;
    left_ -= size;
  }

  const std::uint8_t* data_;
  std::size_t left_;
};

template <typename Struct>
std::string raw(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string text(const std::string& name) { return name + '\0'; }

// A session without a device: requests are put in by hand, answers taken out.
class Kernel {
 public:
  explicit Kernel(view::FileServer* server) {
    fuse_set_log_func([](fuse_log_level, const char*, va_list) {});
    char program[] = "fuzz";
    char* arguments[] = {program, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, arguments);
    session_ = fuse_session_new(&args, &view::fuse_operations(), sizeof(fuse_lowlevel_ops), server);
    fuse_opt_free_args(&args);
    require(session_ != nullptr, "no session");
    fuse_custom_io io = {};
    io.read = [](int, void*, std::size_t, void*) -> ssize_t { return -1; };
    io.writev = take;
    current() = this;
    require(fuse_session_custom_io(session_, &io, ::open("/dev/null", O_RDWR | O_CLOEXEC)) == 0,
            "custom input is refused");
    fuse_init_in init = {};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = 34;
    init.max_readahead = 1 << 17;
    init.flags = ~0u & ~static_cast<std::uint32_t>(FUSE_INIT_EXT);
    send(FUSE_INIT, 0, raw(init).substr(0, 16));
  }
  ~Kernel() { fuse_session_destroy(session_); }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  void send(std::uint32_t opcode, std::uint64_t node, const std::string& body) {
    fuse_in_header header = {};
    header.len = static_cast<std::uint32_t>(sizeof header + body.size());
    header.opcode = opcode;
    header.unique = ++unique_;
    header.nodeid = node;
    header.uid = ::getuid();
    header.gid = ::getgid();
    header.pid = 1;
    std::string request = raw(header) + body;
    answers_ = 0;
    reply_.clear();
    fuse_buf buffer = {};
    buffer.mem = request.data();
    buffer.size = request.size();
    fuse_session_process_buf(session_, &buffer);
    const bool silent = opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET;
    require(answers_ == (silent ? 0 : 1), "not one answer");
  }
  // The last answer's body; empty if it is an error.
  const std::string& reply() const { return reply_; }

 private:
  static Kernel*& current() {
    static Kernel* kernel = nullptr;
    return kernel;
  }
  static ssize_t take(int, iovec* parts, int count, void*) {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    }
    Kernel& kernel = *current();
    fuse_out_header header;
    require(bytes.size() >= sizeof header, "a short answer");
    std::memcpy(&header, bytes.data(), sizeof header);
    require(header.len == bytes.size() && header.unique == kernel.unique_, "another's answer");
    require(header.error <= 0 && header.error > -1000, "no error number");
    require(bytes.find(kSecret.substr(0, 12)) == bytes.npos &&
                bytes.find(kSecret.substr(12, 12)) == bytes.npos,
            "a secret in an answer");
    ++kernel.answers_;
    kernel.reply_ = bytes.substr(sizeof header);
    return static_cast<ssize_t>(bytes.size());
  }

  fuse_session* session_;
  std::uint64_t unique_ = 0;
  int answers_ = 0;
  std::string reply_;
};

void step(Kernel& kernel, Input& input, std::vector<std::uint64_t>& nodes) {
  const auto node = [&] {
    const auto choice = input.number<std::uint8_t>();
    return choice == 255 ? input.number<std::uint64_t>() : nodes[choice % nodes.size()];
  };
  const auto entry = [&] {
    fuse_entry_out out;
    if (kernel.reply().size() >= sizeof out) {
      std::memcpy(&out, kernel.reply().data(), sizeof out);
      if (out.nodeid != 0) {
        nodes.push_back(out.nodeid);
      }
    }
  };
  switch (input.number<std::uint8_t>() % 22) {
    case 0:
    case 1: {
      const std::uint64_t parent = node();
      kernel.send(FUSE_LOOKUP, parent, text(input.name()));
      entry();
      break;
    }
    case 2: {
      fuse_forget_in in = {};
      in.nlookup = input.number<std::uint8_t>();
      kernel.send(FUSE_FORGET, node(), raw(in));
      break;
    }
    case 3:
      kernel.send(FUSE_GETATTR, node(), raw(fuse_getattr_in{}));
      break;
    case 4: {
      fuse_setattr_in in = {};
      in.valid = input.number<std::uint16_t>();
      in.size = input.offset();
      in.mode = input.number<std::uint32_t>();
      in.uid = input.number<std::uint32_t>();
      in.gid = input.number<std::uint32_t>();
      in.atime = in.mtime = input.number<std::uint64_t>();
      in.atimensec = in.mtimensec = input.number<std::uint32_t>();
      kernel.send(FUSE_SETATTR, node(), raw(in));
      break;
    }
    case 5:
      kernel.send(FUSE_READLINK, node(), "");
      break;
    case 6: {
      fuse_mknod_in in = {};
      in.mode = input.number<std::uint32_t>();
      in.rdev = input.number<std::uint32_t>();
      const std::uint64_t parent = node();
      kernel.send(FUSE_MKNOD, parent, raw(in) + text(input.name()));
      entry();
      break;
    }
    case 7: {
      fuse_mkdir_in in = {};
      in.mode = input.number<std::uint16_t>();
      const std::uint64_t parent = node();
      kernel.send(FUSE_MKDIR, parent, raw(in) + text(input.name()));
      entry();
      break;
    }
    case 8: {
      const std::uint64_t parent = node();
      const std::string name = input.name();
      std::string target = input.bytes(255);
      target.resize(std::min(target.size(), target.find('\0')));
      kernel.send(FUSE_SYMLINK, parent, text(name) + text(target));
      entry();
      break;
    }
    case 9: {
      fuse_link_in in = {};
      in.oldnodeid = node();
      const std::uint64_t parent = node();
      kernel.send(FUSE_LINK, parent, raw(in) + text(input.name()));
      entry();
      break;
    }
    case 10: {
      const std::uint64_t parent = node();
      kernel.send(FUSE_UNLINK, parent, text(input.name()));
      break;
    }
    case 11: {
      const std::uint64_t parent = node();
      kernel.send(FUSE_RMDIR, parent, text(input.name()));
      break;
    }
    case 12:
    case 13: {
      fuse_rename2_in in = {};
      in.flags = input.number<std::uint8_t>() % 8;
      const std::uint64_t parent = node();
      in.newdir = node();
      const std::string name = input.name();
      kernel.send(FUSE_RENAME2, parent, raw(in) + text(name) + text(input.name()));
      break;
    }
    case 14: {
      fuse_create_in in = {};
      in.flags = input.number<std::uint32_t>();
      in.mode = input.number<std::uint32_t>();
      const std::uint64_t parent = node();
      kernel.send(FUSE_CREATE, parent, raw(in) + text(input.name()));
      entry();
      break;
    }
    case 15:
    case 16: {
      fuse_read_in in = {};
      in.offset = input.offset();
      in.size = input.number<std::uint32_t>();
      in.fh = input.number<std::uint8_t>();
      kernel.send(FUSE_READ, node(), raw(in));
      break;
    }
    case 17: {
      fuse_write_in in = {};
      in.offset = input.offset();
      in.flags = input.number<std::uint32_t>();
      in.write_flags = input.number<std::uint8_t>();
      const std::uint64_t file = node();
      const std::string bytes = input.bytes(255);
      in.size = static_cast<std::uint32_t>(bytes.size());
      kernel.send(FUSE_WRITE, file, raw(in) + bytes);
      break;
    }
    case 18: {
      fuse_fallocate_in in = {};
      in.offset = input.number<std::uint16_t>();
      in.length = input.number<std::uint16_t>();  // it takes room
      in.mode = input.number<std::uint8_t>();
      kernel.send(FUSE_FALLOCATE, node(), raw(in));
      break;
    }
    case 19: {
      fuse_lseek_in in = {};
      in.offset = input.offset();
      in.whence = input.number<std::uint8_t>() % 6;
      kernel.send(FUSE_LSEEK, node(), raw(in));
      break;
    }
    case 20: {
      fuse_read_in in = {};
      in.offset = input.offset();
      in.size = input.number<std::uint16_t>();
      kernel.send(input.number<std::uint8_t>() % 2 == 0 ? FUSE_READDIR : FUSE_READDIRPLUS, node(),
                  raw(in));
      break;
    }
    default:
      kernel.send(input.number<std::uint8_t>() % 2 == 0 ? FUSE_STATFS : FUSE_FSYNC, node(),
                  raw(fuse_fsync_in{}));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const policy::Policy policy = policy::floor_policy();
  static const policy::FileRules files(policy);
  static const policy::ContentRules contents(policy);
  static const Words words;
  ::umask(0);
  const Place place;
  view::Config config;
  config.root = base::open_at(AT_FDCWD, place.root(), O_PATH | O_DIRECTORY);
  config.files = &files;
  config.secrets = &words;
  config.contents = &contents;
  config.watches = 0;
  config.descriptors = 32;
  view::FileServer server(std::move(config));
  Kernel kernel(&server);
  std::vector<std::uint64_t> nodes = {FUSE_ROOT_ID};
  Input input(data, size);
  for (int steps = 0; input.more() && steps < 200; ++steps) {
    step(kernel, input, nodes);
  }
  return 0;
}
