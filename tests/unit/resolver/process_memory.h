// A search of the test's own memory.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <string>

namespace agentbox::resolver {

// The parts as one text, with each byte's lowest bit turned.
inline std::string turned_bits(std::initializer_list<const char*> parts) {
  std::string turned;
  for (const char* part : parts) {
    for (; *part != '\0'; ++part) {
      turned += static_cast<char>(*part ^ 1);
    }
  }
  return turned;
}

// Whether a text is anywhere in this process's memory. It is given with each byte's lowest bit
// turned, so that the search does not find itself, and looked for in place: a copy would be found.
inline bool in_memory(const std::string& turned) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, access) != 3 || access[0] != 'r' ||
        access[1] != 'w') {
      continue;
    }
    const auto* at = reinterpret_cast<const volatile char*>(start);
    const auto* last = reinterpret_cast<const volatile char*>(end) - turned.size();
    for (; at <= last; ++at) {
      std::size_t same = 0;
      while (same < turned.size() && (at[same] ^ 1) == turned[same]) {
        ++same;
      }
      if (same == turned.size()) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace agentbox::resolver
