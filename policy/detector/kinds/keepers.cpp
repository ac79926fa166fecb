// Who keeps secrets, and keys that are for nothing else.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"onepassword-token", "1Password service account token"}, "ops_eyJ<c200+>|ops_<c200+>"},
    {{"onepassword-secret-key", "1Password secret key"},
     "A3-<u6>-<u11>-<u5>-<u5>-<u5>|A3-<u6>-<u6>-<u5>-<u5>-<u5>-<u5>"},
    {{"vault-token", "HashiCorp Vault or OpenBao token"},
     "hvs.<t24+>|hvb.<t24+>|hvr.<t24+>|?s.<w24>|?b.<t100+>"},
    {{"terraform-token", "HCP Terraform token"}, "<w14>.atlasv1.<t60-70>"},
    {{"pulumi-token", "Pulumi access token"}, "pul-<h40>"},
    {{"doppler-token", "Doppler token"},
     "dp.pt.<w40-44>|dp.ct.<w40-44>|dp.sa.<w40-44>|dp.scim.<w40-44>|dp.audit.<w40-44>|"
     "dp.said.<w40-44>|dp.st.<w40-44>|dp.st.<t2-35>.<w40-44>"},
    {{"infisical-token", "Infisical service token"},
     "st.<h8>-<h4>-<h4>-<h4>-<h12>.<h32>.<h32>|st.<h24>.<h32>.<h32>"},
    {{"bitwarden-token", "Bitwarden Secrets Manager token"},
     "0.<h8>-<h4>-<h4>-<h4>-<h12>.<w30>:<b22>==|0.<h8>-<h4>-<h4>-<h4>-<h12>.<w30>:<b21-24>"},
    {{"keeper-token", "Keeper Secrets Manager token"}, "US:<t43>|EU:<t43>|AU:<t43>"},
    {{"age-key", "age secret key"},
     "AGE-SECRET-KEY-1<u58>|AGE-SECRET-KEY-PQ-1<u58+>|AGE-PLUGIN-<u2-20>-1<u20+>"},
    {{"boundary-token", "Boundary token"}, "at_<w10>_<w100+>|at_<w10>_s1<t60+>"},
    {{"jumpcloud-key", "JumpCloud API key"}, "jca_<w36>"},
    {{"cloudflare-tunnel-token", "Cloudflare tunnel token"}, "eyJhIjoi<c120-300>"},
    {{"kubeadm-token", "Kubernetes bootstrap token"},
     "kubeadm join <s4-80>:<d2-5> --token (<l6>.<l16>)"},
    {{"minisign-key", "minisign secret key"}, "RWRTY0Iy<b200-208>="},
    {{"private-key-base64", "Private key, base64 encoded"},
     "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt<c64+>|LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0t<c64+>|"
     "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0t<c64+>|LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUg<c64+>|"
     "LS0tLS1CRUdJTiBEU0EgUFJJVkFURSBLRVkt<c64+>|LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFU<c64+>|"
     "LS0tLS1CRUdJTiBQR1AgUFJJVkFURSBLRVkg<c64+>"},
};

}  // namespace

std::span<const TokenKind> keeper_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
