"""Models of LLaMA's relatives as transformers writes them, with random weights and their logits: folders below families/.

    pip install torch==2.6.0 transformers==4.57.1 safetensors && python families.py [FOLDER]

Each folder: config.json, model.safetensors, logits.f32 ([ids, vocabulary], float32). The ids are families/ids.json. `dynamic` is asked token by
token, as a text grows: that is the form of its frequencies which a cache can keep.
"""

import json, os, sys
import torch, transformers

here = os.path.dirname(os.path.abspath(__file__))
root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "families")
IDS = [1] + [3 + (i * 11 + 5) % 29 for i in range(1, 40)]
shape = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, vocab_size=32,
             max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2)
yarn = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
MODELS = {
    "attention-bias": ("Llama", dict(attention_bias=True)),
    "mlp-bias": ("Llama", dict(mlp_bias=True, attention_bias=True, tie_word_embeddings=True)),
    "head-dim": ("Llama", dict(head_dim=12)),
    "linear": ("Llama", dict(rope_scaling=dict(rope_type="linear", factor=3.0))),
    "dynamic": ("Llama", dict(max_position_embeddings=16, rope_scaling=dict(rope_type="dynamic", factor=4.0))),
    "yarn": ("Llama", dict(rope_scaling=yarn)),
    "yarn-mscale": ("Llama", dict(rope_scaling=dict(yarn, mscale=0.7, mscale_all_dim=1.2, beta_fast=16.0, beta_slow=0.5))),
    "yarn-exact": ("Llama", dict(rope_scaling=dict(yarn, truncate=False, attention_factor=1.3))),
    "llama3": ("Llama", dict(rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                               original_max_position_embeddings=16))),
    "mistral": ("Mistral", dict(sliding_window=None)),
    "mistral-window": ("Mistral", dict(sliding_window=7)),
}


def logits_of(model, grows):
    ids = torch.tensor([IDS])
    with torch.no_grad():
        if not grows:
            return model(input_ids=ids, use_cache=False).logits[0]
        cache, rows = None, []
        for i in range(len(IDS)):
            out = model(input_ids=ids[:, i : i + 1], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            rows.append(out.logits[0, 0])
        return torch.stack(rows)


os.makedirs(root, exist_ok=True)
for seed, (name, (kind, fields)) in enumerate(MODELS.items()):
    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**{**shape, **fields})
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    with torch.no_grad():
        for key, w in model.named_parameters():  # far from the usual start, biases too, so that every part matters
            w.copy_(1 + 0.2 * torch.randn_like(w) if "norm" in key else torch.randn_like(w) * 0.35)
    model.save_pretrained(os.path.join(root, name))
    generation = os.path.join(root, name, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    logits_of(model, name == "dynamic").float().numpy().tofile(os.path.join(root, name, "logits.f32"))
with open(os.path.join(root, "ids.json"), "w") as file:
    json.dump(IDS, file)
    file.write("\n")
