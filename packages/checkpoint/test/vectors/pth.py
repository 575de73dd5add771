"""Files of torch.save in the format before zip, and what torch.load finds in them: folders below pth/.

    pip install torch==2.6.0 transformers==4.57.1 safetensors && python pth.py [FOLDER]

state/<name>.pth and the same tensors in state/<name>.safetensors (name by name, row-major). llama/: one small model of transformers four
times: model.safetensors, pytorch_model.bin by torch.save of today, and below legacy/ and shards/ in the older format.
"""

import io, json, os, pickle, struct, sys, shutil
import torch, transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "pth")
shutil.rmtree(root, ignore_errors=True)
os.makedirs(os.path.join(root, "state"))
torch.manual_seed(5)


def place(name):
    return os.path.join(root, "state", name)


def keep(name):
    """What torch finds in the file is what we must find."""
    found = torch.load(place(f"{name}.pth"), weights_only=False)
    found = found.get("model", found) if isinstance(found, dict) else found
    save_file({key: value.detach().clone().contiguous() for key, value in found.items() if torch.is_tensor(value)}, place(f"{name}.safetensors"))


def legacy(name, value, protocol=2):
    torch.save(value, place(f"{name}.pth"), _use_new_zipfile_serialization=False, pickle_protocol=protocol)
    keep(name)


def states():
    base = torch.randn(6, 8)
    wide = torch.randn(4, 6, 5)
    return {
        "whole": base,
        "rows": base[2:5],
        "columns": base[:, 3:6],
        "transposed": base.t(),
        "permuted": wide.permute(2, 0, 1),
        "every_second": base.reshape(-1)[1::2],
        "every_third_row": wide[::3],
        "block": wide[1:3, 2:5],
        "column": base[:, 2],
        "one": base[3:4, 4:5],
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
        "half": torch.randn(3, 4).half(),
        "bfloat16": torch.randn(5, 2).bfloat16(),
        "double": torch.randn(3).double(),
        "whole_numbers": torch.arange(7),
        "flags": torch.tensor([True, False, True]),
        "parameter": torch.nn.Parameter(torch.randn(2, 3)),
    }


legacy("plain", states())
legacy("protocol4", states(), 4)
legacy("training", {"epoch": 3, "loss": 0.25, "model": states(), "optimizer": {"state": {0: {"step": 7, "exp_avg": torch.randn(4)}}, "seed": 2**63 - 1}})
torch.save(states(), place("zip.pth"))
keep("zip")


# --- files of older versions: views of storages, _rebuild_tensor, texts of Python 2, a machine with its bytes the other way round


class Pickler(pickle._Pickler):
    """Python 2 wrote its texts as BINSTRING."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        raw = text.encode("latin1")
        self.write(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch[str] = save_text

    def persistent_id(self, value):
        return value.id if isinstance(value, Stored) else None


class Stored:
    def __init__(self, kind, key, size, view=None):
        self.id = ("storage", kind, key, "cpu", size, view)


class Old:
    """A tensor as PyTorch before 0.4 pickled it."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __reduce__(self):
        return (torch._utils._rebuild_tensor, self.arguments)


numbers = torch.randn(40)
one, two = Stored(torch.FloatStorage, "11", 40), Stored(torch.FloatStorage, "11", 40, ("12", 10, 20))
halves = torch.randn(6).half()
value = {
    "all": Old(one, 0, (5, 8), (8, 1)),
    "view": Old(two, 4, (2, 8), (8, 1)),
    "turned": Old(two, 0, (4, 5), (1, 4)),
    "half": Old(Stored(torch.HalfStorage, "9", 6), 1, (5,), (1,)),
    "a long name " + "x" * 300: Old(one, 39, (), ()),
}
with open(place("old.pth"), "wb") as file:
    for each in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": False, "type_sizes": {"short": 2, "int": 4, "long": 4}}):
        Pickler(file, 2).dump(each)
    Pickler(file, 2).dump(value)
    Pickler(file, 2).dump(["11", "9"])
    for tensor in (numbers, halves):
        file.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
keep("old")

# --- a model of transformers in each form

config = LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, vocab_size=32,
                     max_position_embeddings=64, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True)
model = LlamaForCausalLM(config).bfloat16()
folder = os.path.join(root, "llama")
model.save_pretrained(folder)
model.save_pretrained(folder, safe_serialization=False)
state = torch.load(os.path.join(folder, "pytorch_model.bin"), weights_only=True)
for name in ("legacy", "shards"):
    os.makedirs(os.path.join(folder, name))
    shutil.copy(os.path.join(folder, "config.json"), os.path.join(folder, name))
torch.save(state, os.path.join(folder, "legacy", "pytorch_model.bin"), _use_new_zipfile_serialization=False)
names = sorted(state)
map = {}
for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :])):
    shard = f"pytorch_model-{number + 1:05}-of-00002.bin"
    torch.save({key: state[key].clone() for key in part}, os.path.join(folder, "shards", shard), _use_new_zipfile_serialization=False)
    map.update({key: shard for key in part})
with open(os.path.join(folder, "shards", "pytorch_model.bin.index.json"), "w") as file:
    json.dump({"metadata": {"total_size": 0}, "weight_map": map}, file, indent=1)
generation = os.path.join(folder, "generation_config.json")
if os.path.exists(generation):
    os.remove(generation)
