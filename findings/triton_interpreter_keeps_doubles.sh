#!/bin/bash
# Triton 3.9.0: a Python float that a kernel takes as an argument is rounded to single precision when the kernel is
# compiled, also where all arrays are double; in the interpreter (TRITON_INTERPRET=1), which serves to test kernels
# without a device, it stays double. So a test in double precision passes where the device is off by 1e-8.
#
# Seen:
#   type of the argument 0.1 when compiled:       fp32
#   intermediate code of the compiled kernel:     %scale: f32, arith.extf %scale : f32 to f64
#   interpreter: product - 0.1:                   0.0
#   single precision would give product - 0.1:    1.4901161138336505e-09
# Constants belong into arrays, or into parameters declared tl.constexpr that are used at once in an expression.
#
# Ends with status 0 as long as Triton does this. No GPU is needed.
set -e
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0
"$folder/venv/bin/pip" install --quiet triton==3.9.0
cd "$folder"
cat > kernel.py <<'PYTHON'
import triton
import triton.language as tl


@triton.jit
def scaled(values, scale, N: tl.constexpr):
    i = tl.arange(0, N)
    tl.store(values + i, tl.load(values + i) * scale)
PYTHON
cat > compiled.py <<'PYTHON'
import re

import triton
from kernel import scaled
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import mangle_type

kind = mangle_type(0.1)
signature = {"values": "*fp64", "scale": kind, "N": "constexpr"}
code = triton.compile(ASTSource(scaled, signature, {"N": 4}), target=GPUTarget("cuda", 90, 32)).asm["ttir"]
widened = re.findall(r"arith\.extf %scale : f32 to f64", code)
print("type of the argument 0.1 when compiled:    ", kind)
print("intermediate code of the compiled kernel:  ", re.search(r"%scale: \w+", code)[0], *widened)
assert kind == "fp32" and widened
PYTHON
cat > interpreted.py <<'PYTHON'
import numpy as np
import torch
from kernel import scaled

values = torch.ones(4, dtype=torch.float64)
scaled[(1,)](values, 0.1, N=4)
print("interpreter: product - 0.1:                ", float(values[0]) - 0.1)
print("single precision would give product - 0.1: ", float(np.float32(0.1)) - 0.1)
assert float(values[0]) == 0.1 != float(np.float32(0.1))
PYTHON
"$folder/venv/bin/python" compiled.py
TRITON_INTERPRET=1 "$folder/venv/bin/python" interpreted.py
