// A log in a directory of its own, removed afterwards.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "audit/log.h"

namespace agentbox::audit {

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "agentbox-audit.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed");
    }
    root_ = name;
    directory_ = name + "/audit";
  }
  ~LogTest() override { std::filesystem::remove_all(root_); }

  static Record record(const std::string& subject) {
    Record record;
    record.event = "hide";
    record.session = "01session";
    record.box = "01box";
    record.scope = "main";
    record.subject = subject;
    record.outcome = "hidden";
    return record;
  }

  void append(int count) const {
    Log log(directory_);
    for (int i = 0; i < count; ++i) {
      log.append(record("/p/file" + std::to_string(i)));
    }
  }

  std::string file(const std::string& name = "audit.jsonl") const {
    return directory_ + '/' + name;
  }

  static std::string bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  static void write(const std::string& path, const std::string& data) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << data;
  }

  std::vector<std::string> lines() const {
    std::istringstream in(bytes(file()));
    std::vector<std::string> result;
    for (std::string line; std::getline(in, line);) {
      result.push_back(line);
    }
    return result;
  }

  void write_lines(const std::vector<std::string>& lines) const {
    std::string text;
    for (const std::string& line : lines) {
      text += line + '\n';
    }
    write(file(), text);
  }

  std::string root_;
  std::string directory_;
};

}  // namespace agentbox::audit
