// Where source is kept, built and published.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"github-token", "GitHub access token"},
     "ghp_<w36-251>|gho_<w36-251>|ghu_<w36-251>|ghs_<w36-251>|ghr_<w36-251>"},
    {{"github-fine-grained-token", "GitHub fine-grained access token"},
     "github_pat_<w22>_<w59>|github_pat_<v36-255>"},
    {{"github-app-token", "GitHub App installation token"}, "v1.<h40>"},
    {{"gitlab-token", "GitLab access token"},
     "glpat-<s20-300>|gldt-<s20-300>|glrt-<s20-300>|glrtr-<s20-300>|glcbt-<s20-300>|glptt-<s20-300>"
     "|"
     "glft-<s20-300>|glimt-<s20-300>|glagent-<s20-300>|glsoat-<s20-300>|glffct-<s20-300>|"
     "gloas-<s20-300>|glwt-<s20-300>"},
    {{"gitlab-runner-token", "GitLab runner registration token"}, "GR1348941<t20>"},
    {{"gitlab-session", "GitLab session cookie"}, "_gitlab_session=(<h32>)"},
    {{"bitbucket-token", "Bitbucket app password or access token"},
     "ATBB<w24-40>|ATCTT3xFfG<c100-250>"},
    {{"atlassian-token", "Atlassian API token"}, "ATATT3<c100-250>|ATSTT3<c100-250>"},
    {{"sourcegraph-token", "Sourcegraph token"},
     "sgp_<h16>_<h40>|sgp_local_<h40>|sgp_<h40>|sgd_<h64>|slk_<h64>"},
    {{"npm-token", "npm access token"}, "npm_<w36>|NpmToken.<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"pypi-token", "PyPI upload token"},
     "pypi-AgEIcHlwaS5vcmc<t50+>|pypi-AgENdGVzdC5weXBpLm9yZw<t50+>"},
    {{"rubygems-key", "RubyGems API key"}, "rubygems_<h48>"},
    {{"crates-io-token", "crates.io token"}, "?cio<w32>"},
    {{"clojars-token", "Clojars deploy token"}, "CLOJARS_<h60>"},
    {{"nuget-key", "NuGet API key"}, "?oy2<l43>"},
    {{"packagist-token", "Packagist token"},
     "packagist_uut_<h68>|packagist_oat_<h68>|packagist_ort_<h68>|packagist_act_<h68>|"
     "packagist_cut_<h68>"},
    {{"dockerhub-token", "Docker Hub access token"}, "dckr_pat_<t27>|dckr_oat_<t32>"},
    {{"jfrog-token", "JFrog Artifactory token"}, "AKCp<w69>|cmVmdGtuOj<w54>"},
    {{"jfrog-password", "JFrog encrypted password"}, "?AP<x1>BA<w20-40>"},
    {{"cloudsmith-key", "Cloudsmith API key"}, "csm_<w36-48>"},
    {{"sonatype-token", "Sonatype user token"}, "sonatype_<w24-60>"},
    {{"circleci-token", "CircleCI token"}, "CCIPAT_<w22>_<h40>|CCIPRJ_<w22>_<h40>"},
    {{"buildkite-token", "Buildkite token"},
     "bkua_<h40>|bkct_<t30-64>|bkaj_<t60+>|bkpt_<h40>|bkpat_<h40>|bkat_<w30-64>"},
    {{"harness-token", "Harness token"}, "pat.<t22>.<h24>.<w20>|sat.<t22>.<h24>.<w20>"},
    {{"octopus-key", "Octopus Deploy API key"}, "?API-<u25-32>"},
    {{"sonarqube-token", "SonarQube token"}, "sqp_<h40>|squ_<h40>|sqa_<h40>"},
    {{"snyk-token", "Snyk token"}, "snyk_uat.<h8>.<t40-120>|snyk_sat.<h8>.<t40-120>"},
    {{"socket-token", "Socket security token"}, "sktsec_<t40-80>"},
    {{"semgrep-token", "Semgrep token"}, "sgp_cli_<h32-64>"},
    {{"endor-labs-key", "Endor Labs key"}, "endr+<t16-40>"},
    {{"infracost-key", "Infracost API key"}, "ico-<w32>"},
    {{"jetbrains-token", "JetBrains permanent token"},
     "perm:<c12-80>.<c2-80>.<w30>|perm-<c12-80>.<c2-80>.<w30>"},
    {{"teamcity-token", "TeamCity token"}, "eyJ0eXAiOiAiVENWMiJ9.<t22-64>.<t40-80>"},
    {{"depot-token", "Depot token"}, "depot_org_<h64>|depot_project_<h64>|depot_<h64>"},
    {{"postman-key", "Postman API key"}, "PMAK-<h24>-<h34>|PMAT-<u26>"},
    {{"readme-key", "ReadMe API key"}, "rdme_<l70>"},
    {{"linear-key", "Linear API key"}, "lin_api_<w40>|lin_oauth_<h64>|lin_wh_<w32-64>"},
    {{"clickup-token", "ClickUp token"}, "?pk_<d4-10>_<u32>"},
    {{"figma-token", "Figma token"},
     "figd_<t38-60>|figo_<t38-60>|figor_<t38-60>|figu_<t38-60>|figur_<t38-60>"},
    {{"asana-token", "Asana token"}, "2/<d10-18>/<d10-18>:<h32>|1/<d15-18>:<h32>|2/<d15-18>:<h32>"},
};

}  // namespace

std::span<const TokenKind> source_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
