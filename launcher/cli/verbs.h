// The verbs of `agentbox`, one file each. A verb reads its arguments (without its own name), calls
// the room that does the work, prints, and returns the exit status.
#pragma once

#include "launcher/cli/options.h"

namespace agentbox::cli {

int approve(const Arguments& arguments);
int check(const Arguments& arguments);
int doctor(const Arguments& arguments);
int explain(const Arguments& arguments);
int hook(const Arguments& arguments);
int init(const Arguments& arguments);
int import(const Arguments& arguments);
int inject(const Arguments& arguments);
int kill(const Arguments& arguments);
int log(const Arguments& arguments);
int mcp(const Arguments& arguments);
int mcp_wrap(const Arguments& arguments);
int ps(const Arguments& arguments);
int read(const Arguments& arguments);
int review(const Arguments& arguments);
int run(const Arguments& arguments);
int scan(const Arguments& arguments);
int secret(const Arguments& arguments);
int spawn(const Arguments& arguments);
int status(const Arguments& arguments);
int trust(const Arguments& arguments);

}  // namespace agentbox::cli
