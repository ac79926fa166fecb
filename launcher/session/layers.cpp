#include "launcher/session/layers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "launcher/session/grants.h"
#include "launcher/session/paths.h"
#include "launcher/session/trust.h"
#include "resolver/template.h"

namespace agentbox::session {

namespace {

constexpr std::size_t kLargestDocument = 1 << 20;

// A template's path starts from the document's directory; from here on it is absolute.
policy::Document parse_document(const std::string& text, const std::string& shown_as,
                                const std::string& directory) {
  policy::Document document = policy::parse(text, shown_as, directory);
  for (auto& [name, secret] : document.secrets) {
    if (!secret.template_file.empty() && secret.template_file.front() != '/') {
      secret.template_file = join(directory, secret.template_file);
    }
  }
  return document;
}

policy::Document read_document(const std::string& path, const std::string& shown_as) {
  return parse_document(base::read_file(path, kLargestDocument), shown_as, parent(path));
}

// The directory that a document's relative paths start from: the repository's root, also for
// .agentbox/policy.json.
std::string shown_name(const Project& project) {
  return relative_to(project.policy_file, project.root);
}

// The texts of the repository's templates. No link is followed and nothing outside is taken: a
// repository must not pass the user's own files off as its text.
std::map<std::string, std::string> read_templates(const policy::Document& document,
                                                  const std::string& root) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, secret] : document.secrets) {
    const std::string& path = secret.template_file;
    if (path.empty()) {
      continue;
    }
    struct stat status = {};
    base::UniqueFd file;
    if (is_below(path, root)) {
      const base::UniqueFd directory = base::open_at(AT_FDCWD, root, O_PATH | O_DIRECTORY);
      file = base::open_beneath(directory.get(), relative_to(path, root), O_RDONLY | O_NONBLOCK);
      base::check(::fstat(file.get(), &status), "stat", path);
    }
    if (!S_ISREG(status.st_mode)) {
      throw base::Error(base::Status::kDenied,
                        secret.place.text() + ": the template " + base::printable(path) +
                            " is no file of the repository",
                        "put the text itself into the repository; a user's own policy may name any "
                        "file");
    }
    texts[path] = base::read_all(file.get(), kLargestDocument, path);
  }
  return texts;
}

// A template's text carries references, so consent covers it like the document itself.
std::string digest_of(const std::string& text, const policy::Document& document,
                      const std::map<std::string, std::string>& templates) {
  std::string all = base::sha256_hex(text);
  for (const auto& [name, secret] : document.secrets) {
    if (!secret.template_file.empty()) {
      all += name + base::sha256_hex(templates.at(secret.template_file));
    }
  }
  return base::sha256_hex(all);
}

// What a template of the repository takes from the user's own side, which its name does not tell.
void add_template_widenings(Layers& layers) {
  for (const auto& [name, secret] : layers.sources.repository->secrets) {
    if (secret.template_file.empty()) {
      continue;
    }
    for (const auto& piece : resolver::parse_template(layers.templates.at(secret.template_file),
                                                      secret.template_file)) {
      const auto* reference = std::get_if<resolver::Reference>(&piece);
      if (reference != nullptr && reaches_user(*reference)) {
        layers.widenings.push_back({"secret " + name + ": its template takes " + reference->text +
                                        " (reads your own environment, files or programs)",
                                    secret.place});
      }
    }
  }
}

// Without --profile, the program's own profile is the user's choice, and "shell" for any other
// program. A document that extends other profiles than that one has made the choice instead.
void add_default_profile(const Request& request, policy::Sources& sources) {
  const std::vector<std::string> shipped = policy::shipped_profile_names();
  const bool known = std::find(shipped.begin(), shipped.end(), request.program) != shipped.end();
  const std::string own = known ? request.program : "shell";
  const auto chooses_another = [&](const std::optional<policy::Document>& document) {
    return document && !document->extends.empty() &&
           std::none_of(document->extends.begin(), document->extends.end(),
                        [&](const policy::Pattern& name) { return name.text == own; });
  };
  if (!chooses_another(sources.repository) && !chooses_another(sources.command_line)) {
    sources.profiles.push_back(own);
  }
}

}  // namespace

policy::ProfileSource profile_source() {
  return [](const policy::Pattern& name) {
    const bool plain = std::all_of(name.text.begin(), name.text.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '-' || c == '_';
    });
    const std::string own = base::config_directory() + "/profiles/" + name.text + ".json";
    if (plain && ::access(own.c_str(), F_OK) == 0) {
      return read_document(own, own);
    }
    return policy::shipped_profile(name);
  };
}

Layers load_layers(const Project& project, const Request& request) {
  Layers layers;
  layers.sources.profiles = request.profiles;
  const std::string user = base::config_directory() + "/policy.json";
  if (::access(user.c_str(), F_OK) == 0) {
    layers.sources.user = read_document(user, user);
  }
  if (!request.policy_file.empty()) {
    const std::string path = request.policy_file.front() == '/'
                                 ? request.policy_file
                                 : join(project.working_directory, request.policy_file);
    layers.sources.command_line = read_document(path, request.policy_file);
  } else if (!project.policy_file.empty()) {
    const std::string text = base::read_file(project.policy_file, kLargestDocument);
    layers.sources.repository = parse_document(text, shown_name(project), project.root);
    layers.templates = read_templates(*layers.sources.repository, project.root);
    layers.digest = digest_of(text, *layers.sources.repository, layers.templates);
    layers.trusted =
        TrustStore(base::state_directory()).trusted(project.root, layers.digest);
  }
  if (layers.sources.profiles.empty()) {
    add_default_profile(request, layers.sources);
  }
  if (layers.sources.repository) {
    layers.widenings = policy::widenings(layers.sources, profile_source());
    add_template_widenings(layers);
  }
  return layers;
}

policy::Policy effective_policy(const Project& project, const Layers& layers) {
  if (!layers.trusted && !layers.widenings.empty()) {
    std::string message = base::printable(project.policy_file) +
                          " is not trusted, and it would allow more than your own policy does:";
    for (const policy::Widening& widening : layers.widenings) {
      message += "\n    " + base::printable(widening.what) + "  (" + widening.place.text() + ")";
    }
    throw base::Error(base::Status::kDenied, message,
                      "read it, then run `agentbox trust` in " + base::printable(project.root) +
                          " to consent to exactly this version");
  }
  return policy::merge(layers.sources, profile_source());
}

}  // namespace agentbox::session
