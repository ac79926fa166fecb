// One way of reading a file, for bench/view/run.py: accesses random|map FILE [COUNT].
// random: COUNT reads of 4 KiB each at places drawn from a fixed seed. map: every page, mapped.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

namespace {

constexpr off_t kPage = 4096;

unsigned long read_at_random(int file, off_t size, long count) {
  std::mt19937_64 random(1);
  unsigned char page[kPage];
  unsigned long sum = 0;
  for (long i = 0; i < count; ++i) {
    const off_t place =
        static_cast<off_t>(random() % static_cast<unsigned long>(size / kPage)) * kPage;
    if (::pread(file, page, sizeof page, place) != kPage) {
      std::perror("pread");
      std::exit(1);
    }
    sum += page[0];
  }
  return sum;
}

unsigned long read_mapping(int file, off_t size) {
  const auto length = static_cast<std::size_t>(size);
  void* const mapped = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  unsigned long sum = 0;
  for (std::size_t at = 0; at < length; at += kPage) {
    sum += static_cast<const unsigned char*>(mapped)[at];
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) {
    std::fputs("usage: view_accesses random|map FILE [COUNT]\n", stderr);
    return 2;
  }
  const int file = ::open(arguments[2], O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (file < 0 || ::fstat(file, &stat) != 0 || stat.st_size < kPage) {
    std::perror(arguments[2]);
    return 1;
  }
  const bool random = arguments[1] == std::string_view("random");
  const unsigned long sum =
      random ? read_at_random(file, stat.st_size, count > 3 ? std::atol(arguments[3]) : 100'000)
             : read_mapping(file, stat.st_size);
  std::printf("%lu\n", sum);
  return 0;
}
