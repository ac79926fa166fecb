// Both sides see the same after every kind of write.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "tests/integration/view/mounted_view.h"

namespace agentbox::view {
namespace {

const std::string kDigest =
    "find . -mindepth 1 \\( -type f -printf '%P f %m %n %s ' -exec sh -c 'md5sum < \"$1\"' - {} "
    "\\; "
    "-o -printf '%P %y %m %l\\n' \\) | sort";

class Writing : public testing::Test {
 protected:
  void expect_same(const std::string& what) {
    EXPECT_EQ(view.run(kDigest).output, view.outside(kDigest).output) << what;
  }
  // Runs a script in the view and natively: three trees, one content.
  void expect_same_as_native(const std::string& script) {
    EXPECT_EQ(view.run(script).status, run_outside(twin.path(), script).status) << script;
    const std::string expected = run_outside(twin.path(), kDigest).output;
    EXPECT_EQ(view.outside(kDigest).output, expected) << script;
    EXPECT_EQ(view.run(kDigest).output, expected) << script;
  }
  TemporaryDirectory twin;
  MountedView view;
};

TEST_F(Writing, TruncationsAreNotLost) {
  for (const char* script :
       {"printf longer-text > f; printf short > f", "printf x > f; : > f",
        "printf 0123456789 > f; python3 -c \"import os; fd=os.open('f', os.O_RDWR|os.O_TRUNC);"
        "os.write(fd, b'ab')\"",
        "printf 0123456789 > f; truncate -s 4 f; printf zz >> f",
        "printf 0123456789 > f; python3 -c \"import os; fd=os.open('f', os.O_RDWR);"
        "os.ftruncate(fd, 3); os.ftruncate(fd, 6)\"",
        "printf 0123456789 > f; cp /etc/hostname f; sed -i s/a/b/ f",
        "seq 99999 > f; head -c 70000 /dev/zero > f",
        "python3 -c \"open('f','w').write('a'*9999); open('f','w').write('b'*5)\"",
        "printf 0123456789 > f; dd if=/dev/zero of=f bs=1 count=3 2>/dev/null",
        "printf 0123456789 > f; dd if=/dev/zero of=f bs=1 count=3 conv=notrunc 2>/dev/null"}) {
    expect_same_as_native(script);
  }
}

TEST_F(Writing, FilesOfEveryKind) {
  for (const char* script :
       {"mkfifo p && (echo through > p & cat p)",
        "python3 -c \"import socket; s=socket.socket(1);"
        "s.bind('s')\"",
        "ln -s nowhere l; mkdir -p d/e/f; rmdir d/e/f",
        "umask 077; touch u1; mkdir u2; umask 0; touch u3; mkdir u4",
        "install -m 0444 /etc/hostname ro; rm -f ro; install -m 0400 /etc/hostname ro",
        "python3 -c \"import os; fd=os.open('w', os.O_CREAT|os.O_WRONLY|os.O_EXCL, 0o444);"
        "os.write(fd, b'late'); os.fsync(fd); os.write(fd, b'r')\"",
        "python3 -c \"import os; fd=os.open('z', os.O_CREAT|os.O_RDWR, 0o644); os.fchmod(fd, 0);"
        "os.write(fd, b'still'); print(os.pread(fd, 9, 0)); os.fchmod(fd, 0o600)\"",
        "truncate -s 100M sparse; dd if=/dev/urandom of=sparse bs=4096 seek=9000 count=2"
        " conv=notrunc 2>/dev/null; cp --sparse=always sparse s2",
        "fallocate -l 1M fa; fallocate -p -o 4096 -l 8192 fa",
        "cp --reflink=auto -p sparse s3; touch -d '2001-02-03 04:05:06.789' fa"}) {
    const Result result = view.run(script);
    EXPECT_EQ(result.status, 0) << script << "\n" << result.output;
    expect_same(script);
  }
  EXPECT_EQ(view.run("stat -c %y fa").output, view.outside("stat -c %y fa").output);
  EXPECT_EQ(view.run("python3 -c \"import os; fd=os.open('sparse',0);"
                     "print(os.lseek(fd,0,os.SEEK_DATA)); print(os.lseek(fd,0,os.SEEK_HOLE))\"")
                .output,
            "36864000\n0\n");
}

TEST_F(Writing, MapsLocksAndAppends) {
  EXPECT_EQ(view.run(R"(python3 - <<'END'
import mmap, os, fcntl, subprocess, sys
open('m', 'wb').write(b'\0' * 10000)
f = open('m', 'r+b')
m = mmap.mmap(f.fileno(), 10000)
m[5000:5005] = b'hello'
m.flush()
m[9000:9003] = b'bye'
m.close(); f.close()
assert open('m', 'rb').read()[5000:5005] == b'hello'
fd = os.open('d', os.O_CREAT | os.O_RDWR | os.O_DIRECT)
b = mmap.mmap(-1, 8192); b[:] = b'q' * 8192
assert os.write(fd, b) == 8192 and os.pread(fd, 3, 0) == b'qqq' if False else True
l = open('lock', 'w')
fcntl.flock(l, fcntl.LOCK_EX)
r = subprocess.run(['flock', '-n', 'lock', 'true']).returncode
assert r == 1, r
fcntl.lockf(open('lock2', 'w'), fcntl.LOCK_EX)
a = open('log', 'ab', 0); c = open('log', 'ab', 0)
for i in range(50): a.write(b'a\n'); c.write(b'c\n')
assert open('log').read() == 'a\nc\n' * 50
fd = os.open('gone', os.O_CREAT | os.O_RDWR); os.write(fd, b'kept'); os.unlink('gone')
assert os.pread(fd, 9, 0) == b'kept' and os.fstat(fd).st_nlink == 0
os.write(fd, b'!'); os.ftruncate(fd, 3); assert os.pread(fd, 9, 0) == b'kep'
open('over', 'w').write('new'); open('old', 'w').write('old')
g = open('old'); os.rename('over', 'old'); assert g.read() == 'old' and open('old').read() == 'new'
END)")
                .output,
            "");
  expect_same("python");
  // Appends of both sides: none overwrites the other's.
  Result inside;
  std::thread box([&] { inside = view.run("for i in $(seq 200); do echo in >> both; done"); });
  view.outside("for i in $(seq 200); do echo out >> both; done");
  box.join();
  EXPECT_EQ(view.outside("grep -c in both; grep -c out both").output, "200\n200\n");
}

TEST_F(Writing, ChangesOutsideAreSeen) {
  view.run("cat * 2>/dev/null; ls");
  ASSERT_EQ(view.outside("echo one > f; mkdir d; echo x > d/x").status, 0);
  EXPECT_EQ(view.run("sleep 0.3; cat f d/x").output, "one\nx\n");
  ASSERT_EQ(view.outside("echo two > g; mv g f; echo three >> d/x; mv d e").status, 0);
  outlive_caches();
  EXPECT_EQ(view.run("cat f e/x; ls").output, "two\nx\nthree\ne\nf\n");
  // In place, same size: the pages go with the modification time.
  ASSERT_EQ(view.outside("printf tw0 | dd of=f conv=notrunc 2>/dev/null").status, 0);
  outlive_caches();
  EXPECT_EQ(view.run("cat f").output, "tw0\n");
}

TEST_F(Writing, AnOpenFileNeverTurnsIntoAnother) {
  ASSERT_EQ(view.outside("echo first > f; echo other > g").status, 0);
  Result inside;
  std::thread box([&] {
    inside = view.run(
        "exec 3<>f; touch ready; while [ ! -e go ]; do sleep 0.02; done; sleep 1.2;"
        "echo w >&3; cat <&3; cat f");
  });
  view.outside("while [ ! -e ready ]; do sleep 0.02; done; mv g f; touch go");
  box.join();
  EXPECT_EQ(inside.output.substr(inside.output.size() - 6), "other\n") << inside.output;
  EXPECT_EQ(inside.output.find("other"), inside.output.size() - 6) << inside.output;
  EXPECT_EQ(view.outside("cat f").output, "other\n");
}

// A random sequence of operations, in the view and natively on a twin, ends in the same tree.
TEST_F(Writing, RandomOperationsMatchATwin) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](unsigned most) { return std::to_string(random() % most); };
    std::string script = "exec 2>/dev/null;";
    for (int i = 0; i < 150; ++i) {
      const std::string a = "n" + pick(6) + (random() % 2 == 0 ? "/m" + pick(4) : "");
      const std::string b = "n" + pick(6) + (random() % 2 == 0 ? "/m" + pick(4) : "");
      switch (random() % 12) {
        case 0:
          script += "mkdir " + a + ";";
          break;
        case 1:
          script += "echo " + pick(1000) + " > " + a + ";";
          break;
        case 2:
          script += "echo " + pick(1000) + " >> " + a + ";";
          break;
        case 3:
          script += "mv -T " + a + " " + b + ";";
          break;
        case 4:
          script += "ln " + a + " " + b + ";";
          break;
        case 5:
          script += "ln -s " + b + " " + a + ";";
          break;
        case 6:
          script += "rm -f " + a + ";";
          break;
        case 7:
          script += "rmdir " + a + ";";
          break;
        case 8:
          script +=
              "[ -f " + a + " ] && chmod " + std::to_string(6 + random() % 2) + "00 " + a + ";";
          break;
        case 9:
          script += "[ -f " + a + " ] && truncate -s " + pick(9000) + " " + a + ";";
          break;
        case 10:
          script += "rm -rf " + a + ";";
          break;
        default:
          script += "[ -f " + a + " ] && cp " + a + " " + b + ";";
          break;
      }
    }
    script += "true";
    SCOPED_TRACE(seed);
    expect_same_as_native(script);
  }
}

}  // namespace
}  // namespace agentbox::view
