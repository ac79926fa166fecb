// Money, shops and goods.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"stripe-key", "Stripe secret or restricted key"},
     "sk_live_<w16-247>|rk_live_<w16-247>|sk_test_<w16-247>|rk_test_<w16-247>|sk_prod_<w16-247>|"
     "rk_prod_<w16-247>|sk_org_<w16-247>|sk_live_<v24-247>|sk_test_<v24-247>"},
    {{"stripe-webhook-secret", "Stripe webhook signing secret"}, "whsec_<b24-90>"},
    {{"paypal-token", "PayPal access token"},
     "access_token$production$<l16>$<h32>|access_token$sandbox$<l16>$<h32>|A21AA<t60-120>"},
    {{"square-token", "Square token"},
     "sq0atp-<t22>|sq0csp-<t43>|sq0idp-<t22>|EAAAE<t59>|EAAAl<t59>"},
    {{"shopify-token", "Shopify token"},
     "shpat_<x32>|shpca_<x32>|shppa_<x32>|shpss_<x32>|shptka_<x32>|shpua_<x32>|shprt_<x32>"},
    {{"adyen-key", "Adyen API key"}, "AQE<w5>hmf<c70-300>"},
    {{"plaid-token", "Plaid access token"},
     "access-production-<h8>-<h4>-<h4>-<h4>-<h12>|access-sandbox-<h8>-<h4>-<h4>-<h4>-<h12>|"
     "access-development-<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"razorpay-key", "Razorpay key"}, "rzp_live_<w14>|rzp_test_<w14>"},
    {{"flutterwave-key", "Flutterwave secret key"},
     "FLWSECK_TEST-<w12-40>-X|FLWSECK-<w12-40>-X|FLWSECK_TEST-<w12-40>|FLWSECK-<w32-40>"},
    {{"mollie-key", "Mollie or GoCardless key"}, "?live_<w30-44>|?access_<w30-44>"},
    {{"checkout-com-key", "Checkout.com secret key"},
     "sk_<h8>-<h4>-<h4>-<h4>-<h12>|sk_sbox_<l26-30>|sk_test_<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"paddle-key", "Paddle API key"},
     "pdl_live_apikey_<l26>_<w22>_<w3>|pdl_sdbx_apikey_<l26>_<w22>_<w3>|"
     "pdl_ntfset_<l26>_<b32>"},
    {{"polar-token", "Polar token"}, "polar_oat_<t32-64>|polar_pat_<t32-64>"},
    {{"coinbase-key", "Coinbase key"},
     "organizations/<h8>-<h4>-<h4>-<h4>-<h12>/apiKeys/(<h8>-<h4>-<h4>-<h4>-<h12>)"},
    {{"duffel-token", "Duffel token"}, "duffel_live_<c43>|duffel_test_<c43>"},
    {{"easypost-key", "EasyPost key"}, "EZAK<w54>|EZTK<w54>"},
    {{"shippo-token", "Shippo token"}, "shippo_live_<h40>|shippo_test_<h40>"},
    {{"lob-key", "Lob API key"}, "live_<h35>|test_<h35>"},
    {{"xendit-key", "Xendit secret key"}, "xnd_production_<w40-80>|xnd_development_<w40-80>"},
    {{"mercadopago-token", "Mercado Pago token"}, "APP_USR-<d12-18>-<d6>-<h32>-<d6-12>"},
    {{"bitcoin-extended-key", "Extended private key (BIP 32)"},
     "xprv<w107>|tprv<w107>|zprv<w107>|yprv<w107>"},
    {{"whop-key", "Whop API key"}, "apik_<w20-60>_<t20+>"},
};

}  // namespace

std::span<const TokenKind> payment_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
