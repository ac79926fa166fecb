// An item of 1Password, made through a Connect server.
#pragma once

#include <string>

#include "resolver/environment.h"
#include "resolver/http.h"
#include "resolver/writers/op_place.h"

namespace agentbox::resolver {

// POST /v1/vaults/{id}/items (1Password Connect API 1.7). An item of that title is never touched;
// the API has no check of its own, as OpWriter says. The token must be allowed to write.
class OpConnectWriter : public Writer {
 public:
  // Throws base::Error (kConfiguration) if the place cannot be named in a reference.
  explicit OpConnectWriter(OpPlace place, const Environment& environment = {});

  std::string place() const override { return place_.text(); }
  std::string reference(std::string_view name) const override { return place_.reference(name); }
  std::variant<Written, Failed> write(const std::vector<NewValue>& values,
                                      std::chrono::steady_clock::time_point deadline) override;

 private:
  OpPlace place_;
  Environment environment_;
  Http http_;
};

}  // namespace agentbox::resolver
