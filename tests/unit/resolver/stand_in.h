// A stand-in of tests/integration/stores, as a process of its own.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "temporary.h"

namespace agentbox::resolver {

class StandIn {
 public:
  using Json = nlohmann::json;

  // `kind` is the name of its file without ".py".
  StandIn(const std::string& kind, const Json& config, bool tls = true) : tls_(tls) {
    configure(config);
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(ends[0], STDIN_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      const std::string program =
          std::string(AGENTBOX_SOURCE_DIR) + "/tests/integration/stores/" + kind + ".py";
      ::execlp("python3", "python3", "-B", program.c_str(), place_.path().c_str(),
               tls ? nullptr : "--plain", nullptr);
      ::_exit(127);
    }
    ::close(ends[0]);
    input_ = ends[1];
    int status = 0;
    while (place_.read("port").empty() && ::waitpid(process_, &status, WNOHANG) == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_FALSE(place_.read("port").empty()) << "the stand-in did not start";
  }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  ~StandIn() {
    ::close(input_);
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

  void configure(const Json& config) { place_.write("config.json", config.dump()); }
  std::string url() const {
    return (tls_ ? "https://localhost:" : "http://localhost:") + place_.read("port");
  }
  std::string authority() const { return place_ / "ca.pem"; }

  std::vector<Json> requests() const {
    std::vector<Json> result;
    std::istringstream lines(place_.read("requests.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      result.push_back(Json::parse(line));
    }
    return result;
  }

 private:
  Temporary place_;
  bool tls_;
  pid_t process_ = -1;
  int input_ = -1;
};

// Variables for a backend, kept as long as this lives.
class Variables {
 public:
  void set(const std::string& name, const std::string& value) {
    texts_.push_back(std::make_unique<std::string>(name + "=" + value));
    pointers_.back() = texts_.back()->c_str();
    pointers_.push_back(nullptr);
  }
  const char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::unique_ptr<std::string>> texts_;
  std::vector<const char*> pointers_ = {nullptr};
};

}  // namespace agentbox::resolver
