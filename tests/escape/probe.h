// What the probe's parts share. Results are lines NAME=RESULT on standard output.
#pragma once

#include <string>
#include <vector>

namespace agentbox::escape {

using Arguments = std::vector<std::string>;

// NAME=ok, or NAME= and the errno's name.
void report(const std::string& name, long result);
void value(const std::string& name, const std::string& text);

// probe_calls.cpp: subcommands about the system call surface.
void system_calls(const Arguments& arguments);
void unknown_calls(const Arguments& arguments);
void other_abis(const Arguments& arguments);
void namespaces(const Arguments& arguments);
void families(const Arguments& arguments);
void terminal_controls(const Arguments& arguments);
void personalities(const Arguments& arguments);
void capabilities(const Arguments& arguments);
void limits(const Arguments& arguments);
void fork_bomb(const Arguments& arguments);
void landlock_layers(const Arguments& arguments);

}  // namespace agentbox::escape
