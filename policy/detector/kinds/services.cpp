// Watching, searching, measuring, writing: the services a product is made of.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"grafana-token", "Grafana token"}, "glc_<c60+>|glsa_<w32>_<x8>|eyJrIjoi<c60-400>"},
    {{"sentry-token", "Sentry token"}, "sntrys_<c60+>|sntryu_<h64>"},
    {{"new-relic-key", "New Relic key"},
     "NRAK-<u27>|NRII-<t32>|NRIQ-<t32>|NRRA-<h42>|NRSP-<w30-40>|NRAA-<h27>|NRBR-<h19>|NRMA-<l30-"
     "40>"},
    {{"new-relic-license-key", "New Relic licence key"}, "<h36>NRAL|<h34>FFFFNRAL"},
    {{"dynatrace-token", "Dynatrace token"}, "dt0<w1>01.<u24>.<u64>|dt0<w1>02.<u8>.<u64>"},
    {{"honeycomb-key", "Honeycomb key"},
     "hcaik_<l58>|hcbik_<l58>|hcalk_<l58>|hcamk_<l58>|hcxik_<l58>"},
    {{"axiom-token", "Axiom token"},
     "xaat-<h8>-<h4>-<h4>-<h4>-<h12>|xapt-<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"elastic-key", "Elastic API key"}, "essu_<c40-120>"},
    {{"posthog-key", "PostHog personal API key"}, "phx_<t43-50>|phs_<t43-50>"},
    {{"launchdarkly-key", "LaunchDarkly key"},
     "?sdk-<h8>-<h4>-<h4>-<h4>-<h12>|?api-<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"pagerduty-key", "PagerDuty Events or REST key"}, "pdus+_0XBPWQQ_<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"contentful-token", "Contentful management token"}, "CFPAT-<t43>"},
    {{"airtable-token", "Airtable token"}, "pat<w14>.<h64>"},
    {{"notion-token", "Notion token"}, "ntn_<d11><w35>|ntn_<w40-50>|secret_<w43>"},
    {{"typeform-token", "Typeform token"}, "tfp_<s40-60>"},
    {{"trello-token", "Trello token"}, "ATTA<h64>"},
    {{"adafruit-key", "Adafruit IO key"}, "aio_<w28>"},
    {{"mapbox-token", "Mapbox secret token"}, "sk.eyJ<t60-140>.<t20-32>|tk.eyJ<t60-140>.<t20-32>"},
    {{"meilisearch-key", "Meilisearch admin key"}, "ms_adm_<w20-60>"},
    {{"logfire-token", "Pydantic Logfire token"}, "pylf_v<d1>_<l2>_<w40-60>"},
    {{"checkly-key", "Checkly API key"}, "cu_<h32>"},
    {{"stytch-secret", "Stytch secret"}, "secret-live-<c36>|secret-test-<c36>"},
    {{"okta-token", "Okta API token"}, "SSWS (00<t40>)"},
    {{"dbt-token", "dbt Cloud token"}, "dbtc_<t40-60>|dbtu_<t40-60>"},
    {{"convex-key", "Convex deploy key"}, "eyJ2MiI6I<c60-200>"},
    {{"trigger-dev-key", "Trigger.dev key"}, "tr_prod_<w20-40>|tr_dev_<w20-40>|tr_pat_<l40>"},
    {{"inngest-key", "Inngest signing key"},
     "signkey-prod-<h64>|signkey-test-<h64>|signkey-branch-<h64>"},
    {{"liveblocks-key", "Liveblocks secret key"}, "sk_prod_<t40-90>|sk_dev_<t40-90>"},
    {{"unkey-key", "Unkey root key"}, "unkey_<w20-40>"},
    {{"settlemint-token", "SettleMint token"}, "sm_pat_<w16>|sm_sat_<w16>|sm_aat_<w16>"},
    {{"thunderstore-token", "Thunderstore token"}, "tss_<w35-45>"},
    {{"maxmind-key", "MaxMind licence key"}, "<w6>_<w29>_mmk"},
    {{"sidekiq-login", "Sidekiq Pro login"},
     "gems.contribsys.com/?token=(<h8>:<h8>)|https://(<h8>:<h8>)@gems.contribsys.com|"
     "https://(<h8>:<h8>)@enterprise.contribsys.com"},
    {{"adobe-secret", "Adobe client secret"}, "p8e-<l32>|p8e-<t32>"},
    {{"salesforce-session", "Salesforce access token"}, "00D<w12>!<s80-120>"},
    {{"rapidapi-key", "RapidAPI key"},
     "<w10>msh<w22>jsn<w12>|<w10>msh<w21>jsn<w12>|<w15>msh<w15>jsn<w12>"},
    {{"canva-secret", "Canva client secret"}, "cnvca<t50-60>"},
    {{"imagekit-key", "ImageKit private key"}, "private_<b26-28>="},
    {{"beamer-token", "Beamer API token"}, "?b_<t44>"},
    {{"persona-key", "Persona API key"}, "persona_production_<w20-60>|persona_sandbox_<w20-60>"},
};

}  // namespace

std::span<const TokenKind> service_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
