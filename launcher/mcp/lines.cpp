#include "launcher/mcp/lines.h"

namespace agentbox::mcp {

void LineReader::add(std::string_view bytes) { buffer_ += bytes; }

std::optional<LineReader::Line> LineReader::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched_);
    if (end == std::string::npos) {
      searched_ = buffer_.size();
      if (skipping_ || buffer_.size() > longest_ + 1) {  // 1: a "\r" may still be its end
        skipping_ = true;
        buffer_.clear();
        searched_ = 0;
      }
      return std::nullopt;
    }
    Line line{buffer_.substr(0, end)};
    buffer_.erase(0, end + 1);
    searched_ = 0;
    if (!line.text.empty() && line.text.back() == '\r') {
      line.text.pop_back();
    }
    if (skipping_ || line.text.size() > longest_) {
      skipping_ = false;
      return Line{{}, true};
    }
    if (!line.text.empty()) {
      return line;
    }
  }
}

}  // namespace agentbox::mcp
