#include "resolver/bus_library.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace agentbox::resolver {

namespace {

constexpr const char* kHint = "install it: `apt install libsystemd0`";

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw base::Error(base::Status::kFailed,
                      std::string("the libsystemd of this system is too old: it has no ") + name,
                      kHint);
  }
}

BusLibrary load() {
  void* library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    throw base::Error(base::Status::kFailed,
                      std::string("cannot load libsystemd, which speaks D-Bus: ") +
                          (why != nullptr ? why : "no reason given"),
                      kHint);
  }
  BusLibrary bus = {};
  find(library, "sd_bus_new", bus.create);
  find(library, "sd_bus_set_address", bus.set_address);
  find(library, "sd_bus_set_bus_client", bus.set_bus_client);
  find(library, "sd_bus_start", bus.start);
  find(library, "sd_bus_flush_close_unref", bus.close);
  find(library, "sd_bus_message_new_method_call", bus.new_call);
  find(library, "sd_bus_call", bus.call);
  find(library, "sd_bus_message_append_basic", bus.append);
  find(library, "sd_bus_message_open_container", bus.open);
  find(library, "sd_bus_message_close_container", bus.end);
  find(library, "sd_bus_message_enter_container", bus.enter);
  find(library, "sd_bus_message_exit_container", bus.leave);
  find(library, "sd_bus_message_read_basic", bus.read);
  find(library, "sd_bus_message_read_array", bus.read_array);
  find(library, "sd_bus_message_skip", bus.skip);
  find(library, "sd_bus_message_unref", bus.unref);
  find(library, "sd_bus_error_free", bus.free_error);
  return bus;
}

}  // namespace

const BusLibrary& bus_library() {
  static const BusLibrary library = load();
  return library;
}

}  // namespace agentbox::resolver
