"""Every block format of GGUF that is read, in one file by gguf-py, and its numbers by gguf-py: quants/blocks.gguf and quants/numbers.safetensors.

    pip install gguf==0.19.0 safetensors numpy && python quants.py
"""

import os
import gguf, numpy
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "quants")
os.makedirs(root, exist_ok=True)
random = numpy.random.default_rng(7)
# bytes of a block at which its scales stand, as halves
HALVES = {Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82], Type.Q3_K: [108],
          Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0], Type.IQ4_XS: [0]}
ROWS, COLUMNS = 3, 256
writer = gguf.GGUFWriter(os.path.join(root, "blocks.gguf"), "llama")
numbers = {}
for type, halves in HALVES.items():
    size, width = gguf.GGML_QUANT_SIZES[type]
    blocks = random.integers(0, 256, (ROWS * COLUMNS // size, width), dtype=numpy.uint8)
    for at in halves:
        scales = (random.standard_normal(len(blocks)) * 0.05).astype("<f2")
        blocks[:, at : at + 2] = scales.view(numpy.uint8).reshape(-1, 2)
    rows = blocks.reshape(ROWS, -1)
    writer.add_tensor(type.name, rows, raw_dtype=type)
    numbers[type.name] = gguf.dequantize(rows, type)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(numbers, os.path.join(root, "numbers.safetensors"))
