"""Types of tensors are looked up by value, in this process and in another."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

from archc.compiler.ir.types import Axis, Role, TensorType

TYPE = TensorType.of(("N", 3, "H", "W"))
READ = """
import pickle, sys
from archc.compiler.ir.types import Axis, Role, TensorType

read = pickle.load(sys.stdin.buffer)
assert {TensorType.of(("N", 3, "H", "W")): "found"}[read] == "found"
"""


def test_equal_types_are_one_key() -> None:
    same = TensorType(tuple(Axis(axis.size, axis.role) for axis in TYPE.axes))
    assert {TYPE: 1}[same] == {TYPE: 1}[copy.deepcopy(TYPE)] == 1
    others = TensorType.of(("N", 3, "H", "H")), TensorType.of(("N", 3, "H", "W"), None), TYPE.axes
    assert not {TYPE} & {*others, TensorType(TYPE.axes, "int"), TensorType(TYPE.axes, "float", 7)}
    assert TYPE.axes[1].role is Role.CHANNELS


def test_a_pickled_type_is_found_where_texts_hash_otherwise() -> None:
    hash(TYPE)
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", READ], input=pickle.dumps(TYPE), env=environment, check=False)
    assert done.returncode == 0
