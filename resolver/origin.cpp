#include "resolver/origin.h"

#include <algorithm>

namespace agentbox::resolver {

std::string origin_of(std::string_view url) {
  const std::size_t start = url.find("://");
  if (start == std::string_view::npos) {
    return {};
  }
  const std::size_t end = std::min(url.find_first_of("/?#", start + 3), url.size());
  std::string origin(url.substr(0, end));
  for (char& c : origin) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return end == start + 3 || origin.find('@') != std::string::npos ? std::string() : origin;
}

bool is_this_machine(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("://") + 3);
  if (host.starts_with("[::1]")) {
    return true;
  }
  host = host.substr(0, host.find(':'));
  return host == "localhost" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

}  // namespace agentbox::resolver
