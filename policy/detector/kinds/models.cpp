// Who serves models.
#include "policy/detector/kinds.h"

namespace agentbox::policy::detect {

namespace {

constexpr TokenKind kKinds[] = {
    {{"openai-key", "OpenAI API key"},
     "sk-<w20>T3BlbkFJ<w20>|sk-proj-<t40-200>|sk-svcacct-<t40-200>|sk-admin-<t40-200>|"
     "sk-None-<t40-200>|sess-<w40>"},
    {{"anthropic-key", "Anthropic API key"},
     "sk-ant-api03-<t80-120>|sk-ant-admin01-<t80-120>|sk-ant-oat01-<t80-120>|sk-ant-ort01-<t80-120>"
     "|"
     "sk-ant-sid01-<t80-140>|sk-ant-<t32-140>"},
    {{"sk-key", "Model provider key (sk-…)"}, "?sk-<w32-64>|?sk-<l4-12>-<w32-64>"},
    {{"openrouter-key", "OpenRouter API key"}, "sk-or-v1-<h64>"},
    {{"huggingface-token", "Hugging Face token"}, "hf_<w34-40>|api_org_<w34>"},
    {{"replicate-token", "Replicate API token"}, "r8_<w37-40>"},
    {{"groq-key", "Groq API key"}, "gsk_<w48-56>"},
    {{"perplexity-key", "Perplexity API key"}, "pplx-<w48-56>"},
    {{"xai-key", "xAI API key"}, "xai-<w70-84>|xai-token-<w70-84>"},
    {{"together-key", "Together AI API key"}, "tgp_v1_<t40-60>"},
    {{"fireworks-key", "Fireworks AI API key"}, "?fw_<w22-28>|fpk_<w20-40>"},
    {{"cerebras-key", "Cerebras API key"}, "csk-<l44-56>"},
    {{"nvidia-key", "NVIDIA API key"}, "nvapi-<t60-70>|nvapi-stg-<t60-70>"},
    {{"elevenlabs-key", "ElevenLabs API key"}, "sk_<h48>"},
    {{"pinecone-key", "Pinecone API key"}, "pcsk_<t40-80>"},
    {{"langsmith-key", "LangSmith API key"}, "lsv2_pt_<h32>_<h10>|lsv2_sk_<h32>_<h10>|ls__<h32>"},
    {{"langfuse-key", "Langfuse secret key"}, "sk-lf-<h8>-<h4>-<h4>-<h4>-<h12>"},
    {{"wandb-key", "Weights & Biases API key"}, "wandb_v1_<t40-100>"},
    {{"tavily-key", "Tavily API key"}, "tvly-<t30-60>|tvly-dev-<w30-40>"},
    {{"jina-key", "Jina AI API key"}, "jina_<w50-70>"},
    {{"firecrawl-key", "Firecrawl API key"}, "?fc-<h32>"},
    {{"voyage-key", "Voyage AI API key"}, "?pa-<t43>|?al-<t43>"},
    {{"llamacloud-key", "LlamaCloud API key"}, "llx-<w46-52>"},
    {{"cursor-key", "Cursor API key"}, "key_<h64>|crsr_<h64>"},
    {{"helicone-key", "Helicone API key"}, "sk-helicone-<t20-60>"},
    {{"novita-key", "Novita AI API key"}, "sk_<t43>"},
    {{"apify-token", "Apify API token"}, "apify_api_<w34-40>"},
    {{"browserbase-key", "Browserbase API key"}, "bb_live_<t27-40>"},
    {{"braintrust-key", "Braintrust API key"}, "bt-st-<w40-60>"},
    {{"dust-key", "Dust API key"}, "sk-dust-<w32>"},
    {{"mem0-key", "Mem0 API key"}, "m0-<w36-44>"},
    {{"cartesia-key", "Cartesia API key"}, "sk_car_<t20-60>"},
};

}  // namespace

std::span<const TokenKind> model_kinds() { return kKinds; }

}  // namespace agentbox::policy::detect
