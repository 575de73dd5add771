"""Adapters as peft writes them, a model for them, and the logits that peft computes. Needs torch, transformers, peft.

python lora.py OUT    (OUT: the folder lora/ beside this file)
"""

import json
import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

OUT = sys.argv[1]
IDS = [1, 5, 22, 9, 3, 3, 17]

CASES = {
    "rank-stabilized": dict(base="untied", r=3, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "k_proj", "o_proj", "lm_head"]),
    "patterns": dict(
        base="untied", r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "up_proj", "down_proj"],
        rank_pattern={"layers.0.self_attn.q_proj": 2, "^model.layers.1.mlp.(up|down)_proj": 3},
        alpha_pattern={"v_proj": 5, "model.layers.0.mlp.up_proj": 1}),
    "modules-to-save": dict(base="untied", r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head", "input_layernorm", "k_proj"]),
    "tied-embedding-saved": dict(base="tied", r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"]),
    "tied-output-saved": dict(base="tied", r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["lm_head"]),
}


def base_model(tied):
    torch.manual_seed(7 + tied)
    config = LlamaConfig(
        vocab_size=23, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        max_position_embeddings=32, rms_norm_eps=1e-5, tie_word_embeddings=bool(tied), initializer_range=0.2)
    return LlamaForCausalLM(config)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for name in ("untied", "tied"):
        base_model(name == "tied").save_pretrained(os.path.join(OUT, name))
        os.remove(os.path.join(OUT, name, "generation_config.json"))
    for name, case in CASES.items():
        settings = dict(case)
        base = settings.pop("base")
        model = get_peft_model(base_model(base == "tied"), LoraConfig(task_type="CAUSAL_LM", **settings))
        generator = torch.Generator().manual_seed(11)
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
        model.eval()
        folder = os.path.join(OUT, name)
        model.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        with torch.no_grad():
            logits = model.double()(input_ids=torch.tensor([IDS])).logits[0, -1]
        expected = {"base": base, "ids": IDS, "logits": [round(x, 7) for x in logits.tolist()]}
        with open(os.path.join(folder, "expected.json"), "w") as file:
            json.dump(expected, file)
            file.write("\n")


main()
