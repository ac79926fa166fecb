// Chat, mail and telephone.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"slack-token", "Slack token"},
     "xoxb-<d10-14>-<d10-14>-<w20-32>|xoxb-<d8-14>-<w18-32>|xoxp-<d10-14>-<d10-14>-<d10-14>-<h32>|"
     "xoxp-<d8-14>-<t24-200>|xoxo-<d8-14>-<t16-200>|xoxs-<d8-14>-<t16-200>|xoxa-<t24-200>|"
     "xoxr-<t24-200>|xoxa-2-<t24-200>|xoxe-1-<w100-250>|xoxe.xoxp-1-<t100-250>|"
     "xoxe.xoxb-1-<t100-250>|xoxc-<d8-14>-<t24-200>|xoxd-<c60-300>"},
    {{"slack-app-token", "Slack app-level token"},
     "xapp-<d1>-<u9-13>-<d10-14>-<h64>|xapp-<d1>-<u9-13>-<t40-120>"},
    {{"slack-workflow-token", "Slack workflow token"}, "xwfp-<t40-120>"},
    {{"slack-webhook", "Slack incoming webhook"},
     "hooks.slack.com/services/(T<u7-12>/B<u7-12>/<w20-26>)|"
     "hooks.slack.com/workflows/(T<u7-12>/A<u7-12>/<d16-20>/<w20-26>)|"
     "hooks.slack.com/triggers/(<u8-13>/<d10-16>/<h32>)"},
    {{"discord-webhook", "Discord webhook"},
     "discord.com/api/webhooks/(<d17-20>/<t60-72>)|discordapp.com/api/webhooks/(<d17-20>/"
     "<t60-72>)"},
    {{"telegram-bot-token", "Telegram bot token"}, "<d8-10>:AA<t33>|bot(<d8-10>:AA<t33>)"},
    {{"teams-webhook", "Microsoft Teams webhook"},
     "webhook.office.com/webhookb2/(<h8>-<h4>-<h4>-<h4>-<h12>@<h8>-<h4>-<h4>-<h4>-<h12>/"
     "IncomingWebhook/<l32>/<h8>-<h4>-<h4>-<h4>-<h12>)"},
    {{"google-chat-webhook", "Google Chat webhook"},
     "chat.googleapis.com/v1/spaces/<t8-20>/messages?key=(<t39>&token=<c30-60>)"},
    {{"zapier-webhook", "Zapier webhook"}, "hooks.zapier.com/hooks/catch/(<d4-10>/<w5-10>)"},
    {{"sendgrid-key", "SendGrid API key"}, "SG.<t16-32>.<t16-64>"},
    {{"mailgun-key", "Mailgun API key"}, "?key-<h32>|pubkey-<h32>"},
    {{"mailchimp-key", "Mailchimp API key"}, "<h32>-us<d1-2>"},
    {{"mandrill-key", "Mandrill API key"}, "?md-<t22>"},
    {{"resend-key", "Resend API key"}, "?re_<w8>_<w24>|?re_<w32-36>"},
    {{"brevo-key", "Brevo API key"}, "xkeysib-<h64>-<w16>|xsmtpsib-<h64>-<w16>"},
    {{"mailersend-token", "MailerSend token"}, "mlsn.<h64>"},
    {{"klaviyo-key", "Klaviyo private key"}, "?pk_<h34>"},
    {{"twilio-key", "Twilio API key"}, "?SK<h32>"},
    {{"telnyx-key", "Telnyx API key"}, "?KEY01<H30-34>_<w22>"},
    {{"hubspot-token", "HubSpot private app token"},
     "pat-na1-<h8>-<h4>-<h4>-<h4>-<h12>|pat-eu1-<h8>-<h4>-<h4>-<h4>-<h12>|"
     "pat-na2-<h8>-<h4>-<h4>-<h4>-<h12>|pat-ap1-<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"facebook-token", "Facebook access token"}, "?EAA<w100-300>|EAACEdEose0cBA<w20+>"},
    {{"instagram-token", "Instagram access token"}, "?IGQV<t100-250>|?IGAA<t100-250>"},
    {{"twitter-bearer", "X (Twitter) bearer token"}, "?AAAAAAAAAAAAAAAAAAAAA<w1-40>%<c40-120>"},
    {{"linkedin-secret", "LinkedIn client secret"}, "WPL_AP1.<w16>.<c8-16>"},
    {{"onesignal-key", "OneSignal API key"}, "os_v2_app_<l100-120>|os_v2_org_<l100-120>"},
    {{"courier-key", "Courier API key"}, "pk_prod_<u28>"},
    {{"frameio-token", "Frame.io token"}, "fio-u-<t64>"},
    {{"matrix-token", "Matrix access token"}, "?syt_<c6-60>_<w20>_<w6>"},
};

}  // namespace

std::span<const TokenKind> message_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
