// An item of 1Password, made by its program.
#pragma once

#include <string>
#include <utility>

#include "resolver/backends/tool.h"
#include "resolver/writers/op_place.h"

namespace agentbox::resolver {

// `op item list`, then `op item create -` with the item as JSON on standard input: no value in an
// argument list. An item of that title is never touched; op has no check of its own, so two who
// make it at the same moment make two, which the reading back then calls ambiguous.
class OpWriter : public Writer {
 public:
  // Throws base::Error (kConfiguration) if the place cannot be named in a reference.
  OpWriter(OpPlace place, ToolOptions options);

  std::string place() const override { return place_.text(); }
  std::string reference(std::string_view name) const override { return place_.reference(name); }
  std::variant<Written, Failed> write(const std::vector<NewValue>& values,
                                      std::chrono::steady_clock::time_point deadline) override;

 private:
  OpPlace place_;
  ToolOptions options_;
};

}  // namespace agentbox::resolver
