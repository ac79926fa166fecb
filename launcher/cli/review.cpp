#include "launcher/session/review.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"
#include "launcher/review/diff.h"
#include "launcher/session/paths.h"
#include "launcher/session/project.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::printable;
using base::Status;
using nlohmann::json;
using review::Change;

constexpr Usage kUsage = {
    "agentbox review [list | show | diff | apply | drop] [ID] [PATH…]",
    "What sessions started with `agentbox run --review` changed in the project. Nothing of it is "
    "in\n"
    "your files until you apply it. Without a word: the layers that wait, and what is in this\n"
    "project's. ID is a session's, or its last six characters or more; it is needed where several\n"
    "layers of the project wait. PATH names a file, or a directory with all below it.\n"
    "  apply  puts the changes into your files. What you changed yourself meanwhile is left "
    "alone,\n"
    "         and what the policy forbids boxes too\n"
    "  drop   throws the changes away\n"
    "The exit status is 0 if all that was asked for is done, 1 if something was left or you said "
    "no,\n"
    "125 if agentbox failed, 77 or 78 if the policy refuses or is wrong.",
    "  agentbox run --review -- npm update\n"
    "  agentbox review diff\n"
    "  agentbox review apply package.json src\n"
    "  agentbox review drop\n"};

constexpr int kSomethingLeft = 1;
constexpr std::size_t kShortId = 6;

struct Request {
  std::string action;  // "" for the overview
  std::string id;
  std::vector<std::string> paths;   // absolute
  std::vector<std::string> forced;  // absolute
  bool yes = false, json = false;
};

// Against the directory where the user stands. Not by realpath(3): a file may exist in the layer
// alone, and a link is itself.
std::string absolute(const std::string& path) {
  const std::string whole =
      path.front() == '/' ? path : session::join(session::current_directory(), path);
  std::string normal = std::filesystem::path(whole).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') {
    normal.pop_back();
  }
  return normal;
}

std::string full_path(const review::Manifest& manifest, const Change& change) {
  return session::join(manifest.parts[change.part].root, change.path);
}

// As the user would type it at the project's root.
std::string shown_path(const review::Manifest& manifest, const Change& change) {
  const std::string path = full_path(manifest, change);
  return session::is_below(path, manifest.project) ? session::relative_to(path, manifest.project)
                                                   : path;
}

const char* state_text(const review::Listed& listed) {
  return listed.running ? "running" : listed.manifest.ended ? "ended" : "unfinished";
}

std::string time_text(std::int64_t nanoseconds) {
  const time_t seconds = static_cast<time_t>(nanoseconds / 1'000'000'000);
  struct tm local = {};
  char text[32] = "";
  if (::localtime_r(&seconds, &local) != nullptr) {
    (void)std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  }
  return text;
}

const char* state_name(Change::State state) {
  switch (state) {
    case Change::State::kReady:
      return "ready";
    case Change::State::kConflict:
      return "conflict";
    case Change::State::kRefused:
      break;
  }
  return "refused";
}

json json_of(const review::Manifest& manifest, const Change& change) {
  json one = {{"path", shown_path(manifest, change)}, {"change", std::string(1, change.letter())},
              {"mode_before", change.before},         {"mode_after", change.after},
              {"size_before", change.old_size},       {"size_after", change.new_size},
              {"state", state_name(change.state)}};
  if (!change.reason.empty()) {
    one["reason"] = change.reason;
  }
  return one;
}

json json_of(const review::Listed& listed) {
  return {{"id", listed.manifest.id},           {"project", listed.manifest.project},
          {"started", listed.manifest.started}, {"command", listed.manifest.command},
          {"policy", listed.manifest.policy},   {"state", state_text(listed)}};
}

void print(const json& all) {
  std::puts(all.dump(2, ' ', false, json::error_handler_t::replace).c_str());
}

void print_listed(const review::Listed& listed) {
  std::printf("%s  %s  %-10s  %s  %s\n", listed.manifest.id.c_str(),
              time_text(listed.manifest.started).c_str(), state_text(listed),
              printable(listed.manifest.command).c_str(),
              printable(listed.manifest.project).c_str());
}

void print_changes(const review::Manifest& manifest, const std::vector<Change>& changes) {
  const bool colour = ::isatty(STDOUT_FILENO) == 1;
  for (const Change& change : changes) {
    const char letter = change.letter();
    const char* on = !colour         ? ""
                     : letter == 'D' ? "\x1b[31m"
                     : letter == 'A' ? "\x1b[32m"
                                     : "\x1b[33m";
    std::string size;
    if (!S_ISDIR(change.after) && !S_ISDIR(change.before)) {
      size = std::to_string(change.before == 0 ? change.new_size : change.old_size);
      if (change.before != 0 && change.after != 0) {
        size += " → " + std::to_string(change.new_size);
      }
      size = "  (" + size + " bytes)";
    }
    const bool directory = S_ISDIR(change.after) || (change.after == 0 && S_ISDIR(change.before));
    std::printf(" %s%c%s %s%s%s\n", on, letter, colour ? "\x1b[0m" : "",
                printable(shown_path(manifest, change)).c_str(), directory ? "/" : "",
                size.c_str());
    if (change.state != Change::State::kReady) {
      std::printf("     %s: %s\n", state_name(change.state), printable(change.reason).c_str());
    }
  }
}

// The last characters tell ids apart: the first ones are the time.
bool has_id(const review::Listed& listed, const std::string& text) {
  return text.size() >= kShortId && listed.manifest.id.ends_with(text);
}

// The project in which the user stands; "" if that is none.
std::string current_project() {
  try {
    return session::find_project(session::current_directory(), session::current_identity().home)
        .root;
  } catch (const Error&) {
    return {};
  }
}

std::vector<review::Listed> of_project(const std::vector<review::Listed>& all) {
  const std::string project = current_project();
  std::vector<review::Listed> result;
  std::copy_if(all.begin(), all.end(), std::back_inserter(result),
               [&](const review::Listed& one) { return one.manifest.project == project; });
  return result;
}

review::Listed choose(const std::vector<review::Listed>& all, const Request& request) {
  if (!request.id.empty()) {
    return *std::find_if(all.begin(), all.end(),
                         [&](const review::Listed& one) { return has_id(one, request.id); });
  }
  const std::vector<review::Listed> here = of_project(all);
  if (here.empty()) {
    throw Error(Status::kFailed, "no layer of this project waits for review",
                all.empty() ? "make one: agentbox run --review -- COMMAND"
                            : "`agentbox review list` lists those of other projects");
  }
  if (here.size() > 1) {
    std::string ids;
    for (const review::Listed& one : here) {
      ids += " " + one.manifest.id;
    }
    throw Error(Status::kFailed, "several layers of this project wait:" + ids,
                "say which: agentbox review " +
                    (request.action.empty() ? std::string("show") : request.action) + " " +
                    here.back().manifest.id);
  }
  return here.front();
}

bool named(const std::string& path, const std::vector<std::string>& by) {
  return std::any_of(by.begin(), by.end(),
                     [&](const std::string& one) { return session::is_below(path, one); });
}

// Those at or below the paths (all, if there are none), and the new directories that they are in.
std::vector<Change> select(const review::Manifest& manifest, const std::vector<Change>& changes,
                           const std::vector<std::string>& paths, bool with_parents) {
  if (paths.empty()) {
    return changes;
  }
  for (const std::string& path : paths) {
    if (std::none_of(changes.begin(), changes.end(), [&](const Change& change) {
          return session::is_below(full_path(manifest, change), path);
        })) {
      throw Error(Status::kFailed, "nothing is changed at " + printable(path),
                  "`agentbox review show` lists what is");
    }
  }
  std::vector<Change> result;
  for (const Change& change : changes) {
    const std::string path = full_path(manifest, change);
    const bool parent = with_parents && S_ISDIR(change.after) && !S_ISDIR(change.before) &&
                        std::any_of(paths.begin(), paths.end(), [&](const std::string& one) {
                          return session::is_below(one, path);
                        });
    if (parent || named(path, paths)) {
      result.push_back(change);
    }
  }
  return result;
}

bool ask(const std::string& question) {
  if (::isatty(STDIN_FILENO) != 1) {
    throw Error(Status::kFailed, "there is no terminal to ask on, so nothing was done",
                "look at `agentbox review diff`, then add --yes");
  }
  std::printf("%s [y/N] ", question.c_str());
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

std::string count_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " change" : " changes");
}

int list(const std::vector<review::Listed>& all, const Request& request) {
  if (request.json) {
    json reviews = json::array();
    for (const review::Listed& one : all) {
      reviews.push_back(json_of(one));
    }
    print({{"reviews", reviews}});
    return 0;
  }
  for (const review::Listed& one : all) {
    print_listed(one);
  }
  if (all.empty()) {
    std::puts("Nothing waits for review.");
  }
  return 0;
}

int show(const review::Listed& listed, const Request& request) {
  session::Review review(listed.manifest.id);
  const review::Manifest& manifest = review.layer().manifest();
  const std::vector<Change> changes = select(manifest, review.changes(), request.paths, false);
  if (request.json) {
    json one = json_of(listed);
    one["changes"] = json::array();
    for (const Change& change : changes) {
      one["changes"].push_back(json_of(manifest, change));
    }
    one["backup"] = review::has_backup(review.layer());
    print(one);
    return 0;
  }
  print_listed(listed);
  print_changes(manifest, changes);
  if (changes.empty()) {
    std::puts(review::has_backup(review.layer())
                  ? "All is applied; your files that were replaced by force are kept in the layer."
                  : "It changed nothing.");
  }
  return 0;
}

int diff(const review::Listed& listed, const Request& request) {
  session::Review review(listed.manifest.id);
  const review::Manifest& manifest = review.layer().manifest();
  const bool colour = ::isatty(STDOUT_FILENO) == 1;
  for (const Change& change : select(manifest, review.changes(), request.paths, false)) {
    // Git's own files say nothing to people; `git log` does, once they are applied.
    if (!change.git.empty() && request.paths.empty()) {
      continue;
    }
    if (change.state == Change::State::kRefused) {
      std::printf("agentbox: %s is not applied: %s\n",
                  printable(shown_path(manifest, change)).c_str(),
                  printable(change.reason).c_str());
      continue;
    }
    review::diff(review.layer(), change, shown_path(manifest, change),
                 [&](const std::string& line) {
                   const char first = line.empty() ? ' ' : line.front();
                   const char* on = !colour        ? ""
                                    : first == '+' ? "\x1b[32m"
                                    : first == '-' ? "\x1b[31m"
                                    : first == '@' ? "\x1b[36m"
                                                   : "";
                   std::printf("%s%s%s\n", on, line.c_str(), *on != '\0' ? "\x1b[0m" : "");
                 });
  }
  return 0;
}

void show_progress(std::size_t done, std::size_t all) {
  if (::isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "\ragentbox: %zu of %zu%s", done, all, done == all ? "\n" : "");
  }
}

int apply(const review::Listed& listed, const Request& request) {
  session::Review review(listed.manifest.id);
  const review::Manifest manifest = review.layer().manifest();
  const std::vector<Change> chosen = select(manifest, review.changes(), request.paths, true);
  std::vector<std::size_t> forced;
  std::size_t ready = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i].state == Change::State::kConflict &&
        named(full_path(manifest, chosen[i]), request.forced)) {
      forced.push_back(i);
    }
    ready += chosen[i].state == Change::State::kReady ? 1 : 0;
  }
  ready += forced.size();
  if (!request.json && !request.yes) {
    print_changes(manifest, chosen);
  }
  review::Applied applied;
  if (ready > 0) {
    if (!request.yes && !ask("Apply " + count_text(ready) + "?")) {
      std::puts("Nothing was applied.");
      return kSomethingLeft;
    }
    review.record("apply", ready);
    applied = review::apply(review.layer(), chosen, forced, show_progress);
  } else {
    applied.left = chosen;
  }
  review.refresh();
  review.record("applied", applied.done);
  const std::size_t rest = review.changes().size();
  const bool kept = review::has_backup(review.layer());
  if (rest == 0 && !kept) {
    // What a killed apply() had left, where there was nothing to do for this one.
    review::clean(review.layer());
    review.layer().remove();
  }
  if (request.json) {
    json left = json::array();
    for (const Change& change : applied.left) {
      left.push_back(json_of(manifest, change));
    }
    print({{"id", manifest.id}, {"applied", applied.done}, {"left", left}, {"waiting", rest}});
  } else {
    std::printf("Applied %s.\n", count_text(applied.done).c_str());
    if (!applied.left.empty()) {
      std::printf("Left as they are:\n");
      print_changes(manifest, applied.left);
    }
    if (rest == 0 && kept) {
      std::printf(
          "Your files that were replaced by force are in %s/backup; `agentbox review drop "
          "%s` removes them.\n",
          printable(session::join(session::review_directory(), manifest.id)).c_str(),
          manifest.id.c_str());
    }
  }
  return applied.left.empty() ? 0 : kSomethingLeft;
}

int drop(const review::Listed& listed, const Request& request) {
  if (request.paths.empty()) {
    // Without a look at what is in it: a layer that cannot be read can still be dropped.
    review::Layer layer = review::Layer::open(session::review_directory(), listed.manifest.id);
    if (!request.yes && !ask("Drop all that session " + listed.manifest.id + " changed?")) {
      std::puts("Nothing was dropped.");
      return kSomethingLeft;
    }
    review::clean(layer);
    layer.remove();
    if (request.json) {
      print({{"id", listed.manifest.id}, {"waiting", 0}});
    } else {
      std::puts("Dropped.");
    }
    return 0;
  }
  session::Review review(listed.manifest.id);
  const std::vector<Change> chosen =
      select(review.layer().manifest(), review.changes(), request.paths, false);
  if (!request.yes && !ask("Drop " + count_text(chosen.size()) + "?")) {
    std::puts("Nothing was dropped.");
    return kSomethingLeft;
  }
  review::drop(review.layer(), chosen);
  review.refresh();
  const std::size_t rest = review.changes().size();
  const std::size_t dropped =
      chosen.size() - std::count_if(chosen.begin(), chosen.end(), [&](const Change& one) {
        return std::any_of(
            review.changes().begin(), review.changes().end(),
            [&](const Change& two) { return one.part == two.part && one.path == two.path; });
      });
  review.record("dropped", dropped);
  if (request.json) {
    print({{"id", listed.manifest.id}, {"dropped", dropped}, {"waiting", rest}});
  } else {
    std::printf("Dropped %s.\n", count_text(dropped).c_str());
    if (dropped < chosen.size()) {
      std::puts("What lies in a directory that was deleted goes with that directory only.");
    }
  }
  if (rest == 0 && !review::has_backup(review.layer())) {
    review.layer().remove();
  }
  return dropped == chosen.size() ? 0 : kSomethingLeft;
}

int overview(const std::vector<review::Listed>& all, const Request& request) {
  if (request.json) {
    return list(all, request);
  }
  const std::vector<review::Listed> here = of_project(all);
  if (here.size() != 1 || here.front().running) {
    return list(all, request);
  }
  for (const review::Listed& one : all) {
    if (one.manifest.id != here.front().manifest.id) {
      print_listed(one);
    }
  }
  show(here.front(), request);
  std::puts("\nNext: agentbox review diff, agentbox review apply, agentbox review drop");
  return 0;
}

}  // namespace

int review(const Arguments& arguments) {
  Request request;
  std::vector<std::string> words, forced;
  po::options_description options("Options");
  options.add_options()("yes,y", po::bool_switch(&request.yes), "do not ask")(
      "force", po::value(&forced)->value_name("PATH"),
      "apply PATH although you changed it as well; your file is kept in the layer's backup "
      "directory. May be repeated")("json", po::bool_switch(&request.json),
                                    "print one JSON object");
  po::options_description hidden;
  hidden.add_options()("word", po::value(&words));
  po::positional_options_description positional;
  positional.add("word", -1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  const std::vector<review::Listed> all = review::list(session::review_directory());
  auto word = words.begin();
  constexpr const char* kActions[] = {"list", "show", "diff", "apply", "drop"};
  if (word != words.end()) {
    if (std::find(std::begin(kActions), std::end(kActions), *word) == std::end(kActions)) {
      throw Error(Status::kFailed, "review cannot \"" + printable(*word) + "\"",
                  std::string("usage: ") + kUsage.synopsis);
    }
    request.action = *word++;
  }
  if (word != words.end() &&
      std::any_of(all.begin(), all.end(), [&](const auto& one) { return has_id(one, *word); })) {
    request.id = *word++;
  }
  std::transform(word, words.end(), std::back_inserter(request.paths), absolute);
  std::transform(forced.begin(), forced.end(), std::back_inserter(request.forced), absolute);
  if (request.json && request.action != "show" && request.action != "list" &&
      !request.action.empty() && !request.yes) {
    throw Error(Status::kFailed, "--json cannot ask", "add --yes");
  }
  if (!request.forced.empty() && request.action != "apply") {
    throw Error(Status::kFailed, "--force goes with apply");
  }
  if (request.action.empty()) {
    return overview(all, request);
  }
  if (request.action == "list") {
    return list(all, request);
  }
  const review::Listed chosen = choose(all, request);
  if (request.action == "show") {
    return show(chosen, request);
  }
  if (request.action == "diff") {
    return diff(chosen, request);
  }
  return request.action == "apply" ? apply(chosen, request) : drop(chosen, request);
}

}  // namespace agentbox::cli
