// The functions of the set-up steps, by the kernel noun they are about. Each returns 0 or an errno
// and runs between clone and exec: no allocation, no locks, no exceptions.
#pragma once

#include "launcher/box/setup.h"

namespace agentbox::box {

// identity.cpp
int map_identity(Context& context, const Step& step);
int set_host_name(Context& context, const Step& step);
int open_namespace(Context& context, const Step& step);  // source: below the outer /proc

// network.cpp
int raise_loopback(Context& context, const Step& step);
int add_route(Context& context, const Step& step);    // index: into Context::routes
int open_socket(Context& context, const Step& step);  // index: into addresses; flag: datagram

// mounts.cpp
int make_mounts_private(Context& context, const Step& step);
int create_view(Context& context, const Step& step);  // index: into Context::views
int create_overlay(Context& context,
                   const Step& step);  // subject: lower; source: upper; target: work
int create_secrets(Context& context, const Step& step);
int create_scratch_home(Context& context, const Step& step);
int create_root(Context& context, const Step& step);
int make_directory(Context& context, const Step& step);  // number: mode
int make_file(Context& context, const Step& step);       // source: content
int make_hidden_file(Context& context, const Step& step);
int make_symlink(Context& context, const Step& step);  // source: the link's text
int bind_path(Context& context, const Step& step);     // number: MOUNT_ATTR_*; flag: optional
int seal_system(Context& context, const Step& step);
int open_scratch(Context& context, const Step& step);
int attach_view(Context& context, const Step& step);
int attach_secrets(Context& context, const Step& step);
int mount_proc(Context& context, const Step& step);
int limit_process_ids(Context& context, const Step& step);  // source: the limit
int mask_path(Context& context, const Step& step);
int make_read_only(Context& context, const Step& step);
int change_root(Context& context, const Step& step);
int leave_old_root(Context& context, const Step& step);
int enter_directory(Context& context, const Step& step);

// stdio.cpp
int create_terminals(Context& context, const Step& step);
int attach_terminals(Context& context, const Step& step);
int open_terminal(Context& context, const Step& step);
int open_pipes(Context& context, const Step& step);
int hand_out(Context& context, const Step& step);
int take_terminal(Context& context, const Step& step);

// seal.cpp
int limit_resource(Context& context, const Step& step);  // index: RLIMIT_*; number: the limit
int close_descriptors(Context& context, const Step& step);
int drop_bounding_set(Context& context, const Step& step);
int lock_secure_bits(Context& context, const Step& step);
int drop_capabilities(Context& context, const Step& step);
int forbid_new_privileges(Context& context, const Step& step);
int install_filter(Context& context, const Step& step);
int refuse_set_id_modes();  // by the command itself: what leads to its directory needs openat2
int tie_to_supervisor(Context& context, const Step& step);

// landlock.cpp
int restrict_with_landlock(Context& context, const Step& step);

}  // namespace agentbox::box
