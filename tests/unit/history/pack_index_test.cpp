#include "launcher/history/pack_index.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/unique_fd.h"

namespace agentbox::history {
namespace {

std::string number(std::size_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) {
    bytes += static_cast<char>(value >> shift & 0xff);
  }
  return bytes;
}

ObjectId id_of(const std::string& hex) {
  return ObjectId::parse(hex + std::string(40 - hex.size(), '7')).value();
}

// gitformat-pack(5); of what follows the ids only that something does is of interest.
std::string index_of(int version, std::vector<ObjectId> ids) {
  std::sort(ids.begin(), ids.end());
  std::string bytes = version == 1 ? "" : "\377tOc" + number(static_cast<std::size_t>(version));
  for (unsigned first = 0; first < 256; ++first) {
    bytes += number(static_cast<std::size_t>(std::count_if(
        ids.begin(), ids.end(), [&](const ObjectId& id) { return id.bytes()[0] <= first; })));
  }
  for (const ObjectId& id : ids) {
    if (version == 1) {
      bytes += number(12);
    }
    bytes.append(id.bytes().begin(), id.bytes().end());
  }
  return bytes + std::string(40, '\0');
}

bool holds(const std::string& index, const std::vector<ObjectId>& ids) {
  const base::UniqueFd file(::memfd_create("index", MFD_CLOEXEC));
  base::write_all(file.get(), index);
  return may_hold_any(file.get(), ids);
}

const std::vector<ObjectId> kListed = {id_of("00"),   id_of("0001"), id_of("41"),
                                       id_of("4180"), id_of("fe"),   id_of("ffff")};

TEST(PackIndex, ListedIdsAreFoundInBothVersions) {
  for (const int version : {1, 2}) {
    const std::string index = index_of(version, kListed);
    for (const ObjectId& id : kListed) {
      EXPECT_TRUE(holds(index, {id})) << version << ' ' << id.hex();
      EXPECT_TRUE(holds(index, {id_of("aa"), id})) << version << ' ' << id.hex();
    }
  }
}

TEST(PackIndex, OthersAreNot) {
  const std::vector<ObjectId> others = {id_of("0000"), id_of("40"), id_of("42"),
                                        id_of("4100"), id_of("ff"), id_of("fd")};
  for (const int version : {1, 2}) {
    EXPECT_FALSE(holds(index_of(version, kListed), others)) << version;
    EXPECT_FALSE(holds(index_of(version, {}), others)) << version;
    EXPECT_FALSE(holds(index_of(version, kListed), {})) << version;
  }
}

TEST(PackIndex, WhatCannotBeUnderstoodMayHoldAny) {
  const std::string index = index_of(2, kListed);
  const std::vector<ObjectId> other = {id_of("40")};
  ASSERT_FALSE(holds(index, other));
  EXPECT_TRUE(holds("", other));
  EXPECT_TRUE(holds("no index", other));
  EXPECT_TRUE(holds(index_of(3, kListed), other));
  EXPECT_TRUE(holds(index.substr(0, 1000), other));
  // The ids are cut off.
  EXPECT_TRUE(holds(index.substr(0, 8 + 256 * 4 + 30), {id_of("41ff")}));
  // The counts go down.
  std::string falling = index;
  falling[8 + 4 * 200 + 3] = 1;
  EXPECT_TRUE(holds(falling, other));
  EXPECT_TRUE(holds(index, {ObjectId::parse(std::string(64, '4')).value()}));
}

}  // namespace
}  // namespace agentbox::history
