// The running children of one box: to which connection and request each belongs, and how to tell it
// something.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/unique_fd.h"

namespace agentbox::broker {

// Not thread-safe.
class Links {
 public:
  // What a child says, as a message for its caller.
  struct News {
    int connection = -1;
    nlohmann::json message;
    bool last = false;  // and it is gone from here
  };

  // `link` is the broker's end of it (spawning.h).
  void add(int connection, std::uint64_t id, base::UniqueFd link);
  bool has(int link) const { return children_.count(link) != 0; }
  std::size_t size() const { return children_.size(); }
  bool any(int connection) const;

  // False: that connection has no such child.
  bool tell(int connection, std::uint64_t id, const nlohmann::json& message) const;
  // The next thing that a child has said, nullopt if there is none at the moment.
  std::optional<News> next(int link);
  // Ends what that connection has started.
  void drop(int connection);

 private:
  struct Place {
    int connection;
    std::uint64_t id;
    base::UniqueFd link;
  };
  std::map<int, Place> children_;  // by the link's number
};

}  // namespace agentbox::broker
