#include "policy/floor.h"

namespace agentbox::policy {

namespace {

// Files that hold secrets by their name. Chosen so that a user of an ordinary repository loses
// nothing that a program needs; names of source files are left alone.
constexpr const char* kHide[] = {
    // Environment files, and what people call their copies.
    ".env",
    ".env.*",
    ".env-*",
    ".env_*",
    "*.env",
    ".envs/",
    ".secrets",
    ".secret",
    "*.bak",
    "*.backup",
    // Files that say what they are.
    "secrets.json",
    "secrets.yaml",
    "secrets.yml",
    "secrets.toml",
    "secrets.ini",
    "secrets.properties",
    "secrets.xml",
    "secrets.txt",
    "secret.json",
    "secret.yaml",
    "secret.yml",
    "secret.toml",
    ".secrets.json",
    ".secrets.yaml",
    ".secrets.yml",
    ".secrets.toml",
    "credentials.json",
    "credentials.yaml",
    "credentials.yml",
    "credentials.toml",
    "credentials.csv",
    ".credentials",
    ".credentials.json",
    "application_default_credentials.json",
    "service-account*.json",
    "service_account*.json",
    "serviceaccount*.json",
    "*-service-account.json",
    "*-firebase-adminsdk-*.json",
    "client_secret*.json",
    "oauth_creds.json",
    // Private keys and key stores.
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.p8",
    "*.pk8",
    "*.jks",
    "*.keystore",
    "*.ppk",
    "*.kdb",
    "*.kdbx",
    "*.keytab",
    "*.agekey",
    "age-key.txt",
    "**/sops/age/keys.txt",
    "*.ovpn",
    "id_rsa[._-]*",
    "id_dsa[._-]*",
    "id_ecdsa[._-]*",
    "id_ed25519[._-]*",
    // Programs' own credential files.
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".mylogin.cnf",
    ".git-credentials",
    "**/.git/credentials",
    ".vault-token",
    ".vault_pass",
    ".vault_pass.txt",
    ".vault-pass",
    ".htpasswd",
    ".terraformrc",
    "terraform.rc",
    "credentials.tfrc.json",
    ".dockercfg",
    ".dockerconfigjson",
    "**/.docker/config.json",
    "kubeconfig",
    "*.kubeconfig",
    ".boto",
    ".s3cfg",
    ".passwd-s3fs",
    "**/.cargo/credentials",
    "**/.gem/credentials",
    "**/.config/gh/hosts.yml",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
    "*.tfvars.json",
    ".aws/",
    ".ssh/",
    ".gnupg/",
    ".azure/",
    ".kube/",
    ".oci/",
    ".password-store/",
    "**/.config/gcloud/",
    "**/.config/op/",
    // What was typed into a prompt.
    ".bash_history",
    ".zsh_history",
    ".psql_history",
    ".mysql_history",
    ".python_history",
};

// Exceptions to the list above. Bundles of public certificates are what TLS clients inside a
// project's own environment (certifi, botocore, grpc) start from. What git keeps of a branch is
// named like the branch, so a branch "fix.env" must not lose its own reference; and a rebase keeps
// a backup of its list.
constexpr const char* kShow[] = {
    ".env.example",
    ".env.*.example",
    "id_*.pub",
    "cacert.pem",
    "ca-bundle.pem",
    "ca-certificates.pem",
    "roots.pem",
    "**/.git/refs/**",
    "**/.git/logs/**",
    "**/.git/modules/**/refs/**",
    "**/.git/modules/**/logs/**",
    "**/.git/**/git-rebase-todo.backup",
};

// What runs outside the box later without anyone asking for it: when the user enters the directory,
// opens an editor or an agent there, or types a git command.
constexpr const char* kReadonly[] = {
    "agentbox.json",
    ".agentbox/",
    // git: hooks and configuration (core.fsmonitor, filters and aliases are commands), also of
    // submodules, worktrees and bare repositories, and what says where those stand.
    "**/.git/hooks",
    "**/.git/config",
    "**/.git/config.worktree",
    "**/.git/commondir",
    "**/.git/modules/**/hooks",
    "**/.git/modules/**/config",
    "**/.git/modules/**/config.worktree",
    "**/.git/modules/**/commondir",
    "**/*.git/worktrees/*/hooks",
    "**/*.git/worktrees/*/config",
    "**/*.git/worktrees/*/config.worktree",
    "**/*.git/worktrees/*/modules/**/hooks",
    "**/*.git/worktrees/*/modules/**/config",
    "**/*.git/worktrees/*/modules/**/config.worktree",
    "**/*.git/worktrees/*/modules/**/commondir",
    "**/*.git/hooks",
    "**/*.git/config",
    "**/*.git/commondir",
    // Other version control: hooks, aliases and file system monitors, too.
    "**/.hg/hgrc",
    "**/.hg/hgrc-not-shared",
    "**/.hg/sharedpath",
    "**/.sl/config",
    "**/.jj/repo/config.toml",
    "**/.jj/workspace-config.toml",
    // What git's hooks commonly call.
    ".husky/",
    ".githooks/",
    ".pre-commit-config.yaml",
    "lefthook.*",
    ".lefthook.*",
    "lefthook-local.*",
    ".lefthook-local.*",
    // Agents: settings, hooks, commands and servers.
    ".claude/",
    ".mcp.json",
    ".codex/",
    ".gemini/",
    ".opencode/",
    "opencode.json",
    "opencode.jsonc",
    ".crush.json",
    "crush.json",
    ".qwen/",
    ".kiro/",
    ".amazonq/",
    ".factory/",
    ".kilocode/",
    ".cursor/",
    ".windsurf/",
    ".roo/",
    ".continue/",
    ".aider.conf.yml",
    // Editors: tasks, settings that name programs, and start-up files read from the directory.
    ".vscode/",
    "*.code-workspace",
    ".idea/",
    ".zed/",
    ".fleet/",
    ".helix/",
    ".vim/",
    "*.sublime-project",
    ".devcontainer/",
    ".devcontainer.json",
    ".exrc",
    ".vimrc",
    ".nvimrc",
    ".nvim.lua",
    ".lvimrc",
    ".dir-locals.el",
    ".dir-locals-2.el",
    ".gdbinit",
    ".lldbinit",
    // Shells.
    ".envrc",
    ".envrc.*",
    ".autoenv",
    ".autoenv.zsh",
    ".autoenv.leave",
    ".autoenv_leave.zsh",
};

// Package managers' settings: needed by builds, and a credential only in some of them.
constexpr const char* kCredentialFiles[] = {
    ".npmrc", ".yarnrc",           ".yarnrc.yml",  ".pypirc",   "pip.conf",          ".condarc",
    ".gemrc", "**/.bundle/config", "nuget.config", "auth.json", "gradle.properties",
};

constexpr const char* kKeyFiles[] = {"id_*"};

// What leads git to a directory with hooks and configuration of its own. Those of a linked worktree
// may be made (by `git worktree add`); a symbolic link above them would lead them anywhere.
constexpr struct {
  const char* text;
  LinkFile kind;
} kLinkFiles[] = {
    {".git", LinkFile::kGitFile},
    {"**/*.git/worktrees", LinkFile::kNone},
    {"**/*.git/worktrees/*", LinkFile::kNone},
    {"**/*.git/worktrees/*/commondir", LinkFile::kCommonDirectory},
    {"**/*.git/worktrees/*/gitdir", LinkFile::kBackLink},
};

// git takes any directory with a "HEAD", "objects" and "refs" for a repository, and runs what the
// "config" beside them says, as soon as the user enters it.
constexpr const char* kHeadFiles[] = {"HEAD"};

template <std::size_t kCount>
std::vector<Pattern> patterns(const char* const (&texts)[kCount]) {
  std::vector<Pattern> list;
  for (const char* text : texts) {
    list.push_back({.text = text, .place = {.file = "built-in"}});
  }
  return list;
}

}  // namespace

Policy floor_policy() {
  Policy policy;
  policy.files.hide = patterns(kHide);
  policy.files.show = patterns(kShow);
  policy.files.readonly = patterns(kReadonly);
  const Pattern everything{.text = "**", .place = {.file = "built-in"}};
  policy.files.detect = {{everything, Detect::kRedact}};
  policy.files.write_secrets = {{everything, WriteSecrets::kMask}};
  policy.credential_files = patterns(kCredentialFiles);
  policy.key_files = patterns(kKeyFiles);
  for (const auto& [text, kind] : kLinkFiles) {
    policy.link_files.push_back({{.text = text, .place = {.file = "built-in"}}, kind});
  }
  policy.head_files = patterns(kHeadFiles);
  return policy;
}

}  // namespace agentbox::policy
