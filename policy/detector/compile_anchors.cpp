// Build step: compile_anchors OUTPUT SOURCE… writes the anchors' Hyperscan database as C++ text,
// with a version that changes with the SOURCEs. Compiled for x86-64 without extensions, so that the
// database is good on any machine that the program is.
#include <hs/hs.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "policy/detector/anchors.h"

namespace {

int fail(const char* what, const char* why) {
  std::fprintf(stderr, "compile_anchors: %s: %s\n", what, why);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace agentbox::policy::detect;
  if (argc < 3) {
    return fail("usage", "compile_anchors OUTPUT SOURCE...");
  }
  std::uint64_t version = 0xcbf29ce484222325;  // FNV-1a
  for (int i = 2; i < argc; ++i) {
    std::ifstream source(argv[i], std::ios::binary);
    if (!source) {
      return fail(argv[i], "cannot be read");
    }
    for (auto c = std::istreambuf_iterator<char>(source); c != std::istreambuf_iterator<char>();
         ++c) {
      version = (version ^ static_cast<unsigned char>(*c)) * 0x100000001b3;
    }
  }

  const std::vector<Anchor> anchors = make_anchors();
  std::vector<const char*> literals;
  std::vector<std::size_t> lengths;
  std::vector<unsigned> flags, numbers;
  for (const Anchor& anchor : anchors) {
    literals.push_back(anchor.literal.data());
    lengths.push_back(anchor.literal.size());
    flags.push_back(anchor.any_case ? HS_FLAG_CASELESS : 0);
    numbers.push_back(static_cast<unsigned>(numbers.size()));
  }
  hs_platform_info_t platform = {};
  platform.tune = HS_TUNE_FAMILY_GENERIC;
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_lit_multi(literals.data(), flags.data(), numbers.data(), lengths.data(),
                           static_cast<unsigned>(literals.size()), HS_MODE_BLOCK, &platform,
                           &database, &error) != HS_SUCCESS) {
    return fail("Hyperscan", error->message);
  }
  char* bytes = nullptr;
  std::size_t size = 0;
  if (hs_serialize_database(database, &bytes, &size) != HS_SUCCESS) {
    return fail("Hyperscan", "the database cannot be written");
  }

  std::ofstream out(argv[1]);
  out << "// Made by compile_anchors.\n#include \"policy/detector/anchor_database.h\"\n\n"
      << "namespace agentbox::policy::detect {\n\nconst std::uint64_t kAnchorVersion = " << version
      << "u;\nconst std::size_t kAnchorDatabaseSize = " << size
      << ";\nalignas(64) const unsigned char kAnchorDatabase[] = {";
  for (std::size_t i = 0; i < size; ++i) {
    out << (i % 32 == 0 ? "\n" : "") << static_cast<unsigned>(static_cast<unsigned char>(bytes[i]))
        << ',';
  }
  out << "\n};\n\n}  // namespace agentbox::policy::detect\n";
  std::free(bytes);
  hs_free_database(database);
  out.close();
  return out ? 0 : fail(argv[1], "cannot be written");
}
