// Runs the probe in a box and, as the control, outside of any; and reads what it reports.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launcher/box/box.h"

namespace agentbox::escape {

struct Outcome {
  int status = -1;  // as waitpid(2)
  std::string output, error;

  // The last NAME=RESULT line with this name; "" if there is none.
  std::string operator[](const std::string& name) const;
  std::vector<std::string> all(const std::string& name) const;
};

// Where this test program and the probe lie.
std::string program_directory();

// A plan whose box shows the probe at /probe/probe.
box::Plan probe_plan();

// Starts the box, runs the program to its end, collects its output.
Outcome run_in_box(const box::Plan& plan, const std::vector<std::string>& arguments);
Outcome probe_in_box(const std::vector<std::string>& arguments,
                     const box::Plan& plan = probe_plan());

// The same program without a box.
Outcome run_outside(const std::vector<std::string>& arguments);
Outcome probe_outside(const std::vector<std::string>& arguments);

}  // namespace agentbox::escape
