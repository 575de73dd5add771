"""Files written here, opened by safetensors, gguf, PyTorch and transformers; and files that those write, for Cria to open.

    python oracle.py FOLDER      (FOLDER: what models.ts made)

Prints one line a check; ends with status 1 if any failed. Logits go to FOLDER/NAME/*.logits (float32).
"""

import json, os, sys
import gguf, numpy as np, torch, transformers
from safetensors import safe_open
from safetensors.torch import load_file

root = sys.argv[1]
ids = torch.tensor([json.load(open(f"{root}/ids.json"))])
failed = 0


def check(what, good, detail=""):
    global failed
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {what} {detail}", flush=True)


def to_meta(w, heads):
    """Rows of a head from Hugging Face's halves to adjacent pairs (llama2.c export.py permute_reverse)."""
    rows, columns = w.shape
    return w.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


PARTS = {"attention_norm": "input_layernorm", "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
         "attention.wo": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj", "feed_forward.w3": "mlp.up_proj"}
GGUF = {"attention_norm": "attn_norm", "attention.wq": "attn_q", "attention.wk": "attn_k", "attention.wv": "attn_v", "attention.wo": "attn_output",
        "ffn_norm": "ffn_norm", "feed_forward.w1": "ffn_gate", "feed_forward.w2": "ffn_down", "feed_forward.w3": "ffn_up"}


def meta_weights(hf, config):
    """Meta's state_dict from Hugging Face's."""
    out = {"tok_embeddings.weight": hf["model.embed_tokens.weight"], "norm.weight": hf["model.norm.weight"],
           "output.weight": hf.get("lm_head.weight", hf["model.embed_tokens.weight"])}
    for i in range(config.num_hidden_layers):
        for part, name in PARTS.items():
            w = hf[f"model.layers.{i}.{name}.weight"]
            if part.endswith(("wq", "wk")):
                w = to_meta(w, config.num_attention_heads if part.endswith("q") else config.num_key_value_heads)
            out[f"layers.{i}.{part}.weight"] = w.contiguous()
    return out


def gguf_name(name):
    if name.startswith("layers."):
        _, i, part = name[: -len(".weight")].split(".", 2)
        return f"blk.{i}.{GGUF[part]}.weight"
    return {"tok_embeddings.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "output.weight": "output.weight"}[name]


AXIS1 = (".wo.weight", ".w2.weight")
for name in sorted(d for d in os.listdir(root) if os.path.isdir(f"{root}/{d}")):
    here = f"{root}/{name}"
    model, info = transformers.LlamaForCausalLM.from_pretrained(f"{here}/hf", output_loading_info=True, dtype=torch.float32)
    clean = not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    check(f"{name}: transformers loads hf", clean)
    config = model.config
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].float().numpy()
    logits.tofile(f"{here}/transformers.logits")
    hf = load_file(f"{here}/hf/model.safetensors")
    sharded = transformers.LlamaForCausalLM.from_pretrained(f"{here}/hf-shards", dtype=torch.float32).state_dict()
    check(f"{name}: three shards hold the same", all(torch.equal(sharded[k], v) for k, v in hf.items()))
    bf16 = load_file(f"{here}/bf16/model.safetensors")
    check(f"{name}: bf16 is PyTorch's rounding", all(torch.equal(bf16[k], v.bfloat16()) for k, v in hf.items()))
    expected = meta_weights(hf, config)

    for shards in (1, 2):
        files = [torch.load(f"{here}/meta-{shards}/consolidated.{r:02d}.pth", weights_only=True) for r in range(shards)]
        good = set(files[0]) == set(expected)
        for key, w in expected.items():
            axis = 1 if key.endswith(AXIS1) or (key == "tok_embeddings.weight" and config.rope_parameters["rope_theta"] < 500000) else 0
            good &= torch.equal(files[0][key] if w.dim() == 1 else torch.cat([f[key] for f in files], axis), w)
        check(f"{name}: torch.load(weights_only=True) of {shards} Meta file(s)", good)

    reader = gguf.GGUFReader(f"{here}/f32.gguf")
    tensors = {t.name: t for t in reader.tensors}
    good = all(np.array_equal(tensors[gguf_name(k)].data, w.numpy()) for k, w in expected.items() if gguf_name(k) in tensors)
    good &= set(tensors) - {"rope_freqs.weight"} == {gguf_name(k) for k in expected} - ({"output.weight"} if config.tie_word_embeddings else set())
    check(f"{name}: gguf reads f32.gguf", good, f"{len(tensors)} tensors, {len(reader.fields)} fields")
    for mix in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K"):
        values = meta_weights(load_file(f"{here}/{mix}-values/model.safetensors"), config)
        tensors = {t.name: t for t in gguf.GGUFReader(f"{here}/{mix}.gguf").tensors}
        decoded = blocks = quantised = 0
        for key, w in values.items():
            t = tensors.get(gguf_name(key))
            if t is None:
                continue
            decoded += not np.array_equal(gguf.dequantize(t.data, t.tensor_type).reshape(w.shape), w.numpy())
            if t.tensor_type.name in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"):
                quantised += 1
                blocks += not np.array_equal(gguf.quantize(expected[key].numpy(), t.tensor_type), t.data)
        check(f"{name}: {mix}: gguf decodes what Cria decodes, encodes what Cria encodes", decoded == 0 and blocks == 0, f"{quantised} tensors encoded by both")

    model.save_pretrained(f"{here}/by-transformers", max_shard_size="1MB")
    os.makedirs(f"{here}/by-torch", exist_ok=True)
    torch.save(expected, f"{here}/by-torch/consolidated.00.pth")
    params = json.load(open(f"{here}/meta-1/params.json"))
    json.dump(params, open(f"{here}/by-torch/params.json", "w"))
    writer = gguf.GGUFWriter(f"{here}/by-gguf.gguf", "llama")
    scaling = config.rope_parameters
    for add, value in ((writer.add_context_length, config.max_position_embeddings), (writer.add_block_count, config.num_hidden_layers), (writer.add_embedding_length, config.hidden_size),
                       (writer.add_feed_forward_length, config.intermediate_size), (writer.add_head_count, config.num_attention_heads), (writer.add_head_count_kv, config.num_key_value_heads),
                       (writer.add_layer_norm_rms_eps, config.rms_norm_eps), (writer.add_rope_dimension_count, config.head_dim), (writer.add_rope_freq_base, scaling["rope_theta"])):
        add(value)
    for key, w in expected.items():
        if not (key == "output.weight" and config.tie_word_embeddings):
            writer.add_tensor(gguf_name(key), w.numpy())
    if scaling.get("rope_type") == "llama3":
        freqs = next(t for t in gguf.GGUFReader(f"{here}/f32.gguf").tensors if t.name == "rope_freqs.weight")
        writer.add_tensor("rope_freqs.weight", np.array(freqs.data))
    writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()
sys.exit(1 if failed else 0)
