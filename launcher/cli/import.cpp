#include "launcher/session/import.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/cli/verbs.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;
using Json = nlohmann::json;

constexpr Usage kUsage = {
    "agentbox import [OPTION…] [FILE]",
    "Moves the secrets of an env file (.env, if none is named) into a store, and leaves "
    "references\n"
    "in their place: local:// ones, or those of 1Password (--to op) or Vault (--to vault).\n"
    "Comments, order and all else stay. Each value is read back as a session would, and the file\n"
    "is replaced as a whole, after that. What looks like a secret is moved, by its name or by its\n"
    "value, and what takes in such a value. A value that is there already is never replaced: if "
    "it\n"
    "is the same, the reference is written; if not, nothing is.",
    "  agentbox import --dry-run\n"
    "  agentbox import .env.local --only STRIPE_KEY\n"
    "  agentbox import --to op --vault Dev\n"
    "  agentbox import --to vault --path secret/shop/dev\n"
    "  agentbox run --env-file=.env -- npm start     # the file goes on working\n"};

struct Chosen {
  session::ImportRequest request;
  std::string to;
  bool dry_run = false, json = false, shred = false;
};

// Where backups are left, and what became of them.
struct Copies {
  std::vector<std::string> paths;
  bool shredded = false;
};

bool ask(const Copies& copies) {
  std::printf("Overwrite and remove %s? [y/N] ",
              copies.paths.size() == 1 ? "this old copy" : "these old copies");
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void print_rows(const session::Import& plan) {
  std::size_t width = 4;
  for (const session::ImportRow& row : plan.rows()) {
    width = std::max(width, row.name.size());
  }
  for (const session::ImportRow& row : plan.rows()) {
    std::printf("%5d  %-*s  %s  (%s)\n", row.line, static_cast<int>(width), row.name.c_str(),
                row.moved ? base::printable(row.reference).c_str() : "stays", row.why.c_str());
  }
}

std::string lines_of(const session::Import& plan) {
  std::string lines;
  for (const int line : plan.other_lines()) {
    lines += (lines.empty() ? "" : ", ") + std::to_string(line);
  }
  return lines;
}

void print_outcome(const session::Import& plan, const Copies& copies, const Chosen& chosen) {
  const std::string path = base::printable(plan.path());
  if (!plan.moves_any()) {
    std::printf("%s: nothing to move\n", path.c_str());
  } else if (chosen.dry_run) {
    std::printf("%s: would be rewritten so; nothing was changed\n", path.c_str());
  } else {
    std::printf("%s: rewritten; the values were read back from the store\n", path.c_str());
  }
  if (!plan.other_lines().empty()) {
    std::printf(
        "  line %s: outside the values stands what looks like a secret; remove it by hand\n",
        lines_of(plan).c_str());
  }
  if (plan.moves_any()) {
    std::puts(
        plan.shown_afterwards()
            ? "  It holds nothing to hide now: boxes see it, read-only."
            : "  It holds more than references, so it stays hidden in boxes; --all moves every "
              "value.");
  }
  for (const std::string& copy : copies.paths) {
    std::printf("  %s holds a value of it%s\n", base::printable(copy).c_str(),
                copies.shredded ? ": overwritten and removed" : "");
  }
}

void print_json(const session::Import& plan, const Copies& copies, const Chosen& chosen) {
  Json values = Json::array();
  for (const session::ImportRow& row : plan.rows()) {
    Json value = {{"name", row.name}, {"line", row.line}, {"moved", row.moved}, {"why", row.why}};
    if (!row.reference.empty()) {
      value["reference"] = row.reference;
    }
    values.push_back(std::move(value));
  }
  const bool written = plan.moves_any() && !chosen.dry_run;
  const Json json = {{"file", plan.path()},
                     {"written", written},
                     {"values", values},
                     {"other_lines", plan.other_lines()},
                     {"shown_in_boxes", plan.shown_afterwards()},
                     {"copies", copies.paths},
                     {"copies_shredded", copies.shredded}};
  // A path may hold bytes that JSON cannot.
  std::puts(json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void check(const Chosen& chosen) {
  if (std::getenv("AGENTBOX_SOCKET") != nullptr) {
    throw Error(Status::kDenied, "this is a box, and secrets are stored outside of boxes",
                "run `agentbox import` in your own shell");
  }
  const session::StorePlace& to = chosen.request.to;
  if (to.store.empty() && !(to.vault.empty() && to.item.empty() && to.path.empty())) {
    throw Error(Status::kFailed, "--vault, --item and --path say where in another store",
                "add --to op or --to vault");
  }
  if (chosen.request.all && !chosen.request.only.empty()) {
    throw Error(Status::kFailed, "--all and --only exclude each other");
  }
}

}  // namespace

int import(const Arguments& arguments) {
  Chosen chosen;
  po::options_description options("Options");
  options.add_options()("to", po::value(&chosen.to)->value_name("STORE")->default_value("local"),
                        "where the values go: local, op (1Password) or vault (Vault, OpenBao)")(
      "vault", po::value(&chosen.request.to.vault)->value_name("NAME"),
      "1Password: the vault (Private, if none is named)")(
      "item", po::value(&chosen.request.to.item)->value_name("NAME"),
      "1Password: the item to make (the project's name)")(
      "path", po::value(&chosen.request.to.path)->value_name("PATH"),
      "Vault: mount and path (secret/ and the project's name)")(
      "all", po::bool_switch(&chosen.request.all),
      "move every value, not only what looks like a secret")(
      "only", po::value(&chosen.request.only)->value_name("NAME"),
      "move this one, and what takes it in; may be repeated")(
      "shred-backups", po::bool_switch(&chosen.shred),
      "overwrite and remove old copies (.env~, .env.bak, …) that hold a moved value, unasked")(
      "dry-run", po::bool_switch(&chosen.dry_run), "show what would be done")(
      "json", po::bool_switch(&chosen.json), "print one JSON object");
  po::options_description hidden;
  hidden.add_options()("file", po::value(&chosen.request.file)->default_value(".env"));
  po::positional_options_description positional;
  positional.add("file", 1);
  if (!parse_options(kUsage, options, positional, hidden, arguments)) {
    return 0;
  }
  chosen.request.to.store = chosen.to == "local" ? "" : chosen.to;
  check(chosen);
  session::Import plan(chosen.request);
  Copies copies{plan.copies()};
  if (!chosen.json) {
    print_rows(plan);
  }
  if (!chosen.dry_run && plan.moves_any()) {
    plan.perform();
    if (!copies.paths.empty()) {
      const bool terminal = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
      if (!chosen.shred && !chosen.json && terminal) {
        for (const std::string& copy : copies.paths) {
          std::printf("%s holds a value of it.\n", base::printable(copy).c_str());
        }
      }
      copies.shredded = chosen.shred || (!chosen.json && terminal && ask(copies));
    }
    if (copies.shredded) {
      std::for_each(copies.paths.begin(), copies.paths.end(), session::shred);
    }
  }
  if (chosen.json) {
    print_json(plan, copies, chosen);
  } else {
    print_outcome(plan, copies, chosen);
    if (!copies.paths.empty() && !copies.shredded) {
      std::puts("  next: remove them, by `shred -u FILE` for one");
    }
  }
  return 0;
}

}  // namespace agentbox::cli
