// The D-Bus client of libsystemd, loaded when the first reference needs it.
#pragma once

#include <systemd/sd-bus.h>

namespace agentbox::resolver {

// The functions of sd-bus(3) that this room uses (systemd 240 or later).
struct BusLibrary {
  decltype(&::sd_bus_new) create;
  decltype(&::sd_bus_set_address) set_address;
  decltype(&::sd_bus_set_bus_client) set_bus_client;
  decltype(&::sd_bus_start) start;
  decltype(&::sd_bus_flush_close_unref) close;
  decltype(&::sd_bus_message_new_method_call) new_call;
  decltype(&::sd_bus_call) call;
  decltype(&::sd_bus_message_append_basic) append;
  decltype(&::sd_bus_message_open_container) open;
  decltype(&::sd_bus_message_close_container) end;
  decltype(&::sd_bus_message_enter_container) enter;
  decltype(&::sd_bus_message_exit_container) leave;
  decltype(&::sd_bus_message_read_basic) read;
  decltype(&::sd_bus_message_read_array) read_array;
  decltype(&::sd_bus_message_skip) skip;
  decltype(&::sd_bus_message_unref) unref;
  decltype(&::sd_bus_error_free) free_error;
};

// Loads libsystemd.so.0 at the first call and keeps it. Thread-safe. Throws base::Error (kFailed)
// if the library is not there or too old.
const BusLibrary& bus_library();

}  // namespace agentbox::resolver
