// The files that AWS tools share: ~/.aws/config and ~/.aws/credentials.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "resolver/environment.h"
#include "resolver/secret.h"

namespace agentbox::resolver {

// The settings of one profile, the credentials file's before the config file's (AWS SDKs and Tools
// Reference Guide, "Shared config and credentials files"). Names are in lower case.
class AwsProfile {
 public:
  // AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files. Throws base::Error for a file
  // that others may write.
  AwsProfile(std::string name, const Environment& environment);

  const std::string& name() const { return name_; }
  bool exists() const { return exists_; }
  // "" for what is not set. Valid as long as the profile.
  std::string_view get(const std::string& setting) const;

 private:
  void read(const std::string& path, bool is_config);

  std::string name_;
  bool exists_ = false;
  std::map<std::string, Secret> settings_;
};

}  // namespace agentbox::resolver
