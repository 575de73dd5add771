"""Cosines and sines of transformers for every kind of RoPE scaling: writes rope.json beside this file.

    pip install torch==2.6.0 transformers==4.57.1 && python rope.py

Tables are float32, as transformers makes them. `dynamic` is asked position by position, as a text grows.
"""

import json, os
import torch, transformers
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

POSITIONS = [0, 1, 5, 31, 32, 63, 100, 200]
KEYS = {"factor": "factor", "low_freq_factor": "lowFreqFactor", "high_freq_factor": "highFreqFactor", "beta_fast": "betaFast", "beta_slow": "betaSlow",
        "original_max_position_embeddings": "originalContextLength", "attention_factor": "attentionFactor", "truncate": "truncate"}
CASES = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    "yarn, attention factor": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64, "attention_factor": 0.75},
    "yarn, turns": {"rope_type": "yarn", "factor": 2.5, "original_max_position_embeddings": 256, "beta_fast": 16.0, "beta_slow": 0.5},
    "yarn, not truncated": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "truncate": False},
    "yarn, mscale": {"rope_type": "yarn", "factor": 40.0, "original_max_position_embeddings": 64, "mscale": 0.707, "mscale_all_dim": 1.3},
    "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
}


def tables(scaling, theta):
    config = transformers.LlamaConfig(hidden_size=32, num_attention_heads=2, max_position_embeddings=64, rope_theta=theta, rope_scaling=scaling)
    rope = LlamaRotaryEmbedding(config)
    rows = []
    for position in POSITIONS:  # ascending: `dynamic` then grows as a text does
        cos, sin = rope(torch.zeros(1, 1, 32), torch.tensor([[position]]))
        rows.append(torch.stack([cos[0, 0, :8], sin[0, 0, :8]], 1).flatten().tolist())
    return rows


cases = []
for name, scaling in CASES.items():
    for theta in (10000.0, 500000.0):
        ours = {KEYS[k]: v for k, v in scaling.items() if k in KEYS} | {"type": scaling["rope_type"]}
        if name == "dynamic":
            ours["originalContextLength"] = 64
        mscale = {k: v for k, v in scaling.items() if k.startswith("mscale")}
        cases.append({"name": f"{name}, theta {theta:.0f}", "theta": theta, "scaling": ours, **mscale, "table": tables(scaling, theta)})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rope.json"), "w") as file:
    text = json.dumps({"transformers": transformers.__version__, "headDim": 16, "positions": POSITIONS, "cases": cases}, indent=1)
    file.write(text + "\n")
