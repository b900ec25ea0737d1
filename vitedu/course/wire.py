"""Messages between the marker and a student's process: a short JSON and the bytes of arrays.  Nothing is unpickled.

A frame is two lengths, a JSON text and the arrays' bytes, one after the other.  Whoever reads trusts nothing: lengths,
nesting, kinds and shapes are looked at before anything is made, so that a frame can be refused, but not do harm.
"""

from __future__ import annotations

import json
import math
import struct

import numpy as np

__all__ = ["LENGTHS", "TEXT", "Broken", "Other", "pack", "unpack"]

LENGTHS = struct.Struct(">II")  # of the JSON text, and of the arrays' bytes
TEXT = 1 << 20  # bytes of JSON
NODES, DEPTH, DIGITS, AXES = 100_000, 16, 4000, 32
DTYPES = {f"{order}{kind}" for order in "<|" for kind in ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8",
          "f2", "f4", "f8", "c8", "c16")}  # fmt: skip


class Broken(ValueError):
    """A frame that does not keep the rules."""


class Other:
    """What a function returned that is not made of numbers: only the name of its type has come over."""


def other(name: str):
    """Something whose type has this name, as far as it is a name."""
    name = "".join(c for c in name[:40] if c.isalnum() or c in "_.") or "object"
    return type(name, (Other,), {})()


def pack(message: dict, special=None) -> bytes:
    """A frame.  special: value -> a JSON object that stands for it, or None; for what the kinds below do not hold.

    Arrays, numbers, text, None, lists, tuples and dicts go over as they are; of anything else, the name of its type.
    """
    arrays: list[np.ndarray] = []
    nodes = [0]
    text = json.dumps(_plain(message, arrays, special, 0, nodes)).encode()
    head = json.dumps([[a.dtype.str, list(a.shape)] for a in arrays]).encode()
    text = b'{"arrays":' + head + b',"message":' + text + b"}"
    blob = b"".join(a.tobytes() for a in arrays)
    return LENGTHS.pack(len(text), len(blob)) + text + blob


def _plain(x, arrays, special, depth, nodes):
    nodes[0] += 1
    if depth > DEPTH or nodes[0] > NODES:
        raise Broken(f"a message may be nested {DEPTH} times and hold {NODES} values")
    made = special(x) if special else None
    if made is not None:
        return {"special": made}
    kind = type(x)
    if x is None or kind is bool:
        return x
    if kind is int:
        if x.bit_length() > 3 * DIGITS:
            return {"other": "int"}
        return x if abs(x) < 2**53 else {"int": hex(x)}
    if kind is float:
        return {"float": repr(x)}
    if kind is str:
        return {"text": x}
    if isinstance(x, (list, tuple)):
        name = "list" if isinstance(x, list) else "tuple"
        return {name: [_plain(v, arrays, special, depth + 1, nodes) for v in list(x)]}
    if isinstance(x, dict):
        return {"dict": [[str(k), _plain(v, arrays, special, depth + 1, nodes)] for k, v in list(x.items())]}
    array = _array(x)
    if array is None:
        return {"other": kind.__name__}
    arrays.append(array)
    return {"array": len(arrays) - 1}


def _array(x):
    """An array, NumPy scalar or tensor as a plain array; None if it holds no numbers."""
    x = x.detach().cpu().numpy() if hasattr(x, "detach") else x
    if hasattr(x, "__array__") and not isinstance(x, (np.ndarray, np.generic)):
        x = np.asarray(x)  # a table, JAX's: as the check in the notebook takes it
    if not isinstance(x, (np.ndarray, np.generic)):
        return None
    array = np.array(x, order="C", subok=False)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array
    return array if array.dtype.str in DTYPES else None


def unpack(text: bytes, blob: bytes, special=None) -> dict:
    """The message of a frame.  Raises Broken.  special: what stood for a special value -> the value."""
    try:
        frame = json.loads(text)
        heads, message = frame["arrays"], frame["message"]
        arrays, at = [], 0
        if not isinstance(heads, list) or len(heads) > NODES:
            raise Broken("the list of arrays is not one")
        for name, shape in heads:
            if name not in DTYPES or len(shape) > AXES or not all(type(n) is int and n >= 0 for n in shape):
                raise Broken(f"an array of kind {str(name)[:40]!r} and shape {str(shape)[:80]} is not allowed")
            dtype, count = np.dtype(name), math.prod(shape)
            if count * dtype.itemsize > len(blob) - at:
                raise Broken("the arrays' bytes are fewer than their shapes say")
            flat = np.frombuffer(blob, dtype, count, at) if count else np.empty(0, dtype)
            arrays.append(flat.reshape(shape).copy())
            at += count * dtype.itemsize
        made = _value(message, arrays, special, 0, [0])
    except Broken:
        raise
    except Exception as error:  # whatever is wrong with it, it is refused
        raise Broken(f"not a message: {type(error).__name__}") from None
    if not isinstance(made, dict):
        raise Broken("a message is a dict")
    return made


def _value(x, arrays, special, depth, nodes):
    nodes[0] += 1
    if depth > DEPTH + 1 or nodes[0] > NODES:
        raise Broken("too deep, or too many values")
    if x is None or isinstance(x, (bool, int)):
        return x
    ((kind, inner),) = x.items()
    if kind in ("list", "tuple"):
        made = [_value(v, arrays, special, depth + 1, nodes) for v in inner]
        return made if kind == "list" else tuple(made)
    if kind == "dict":
        return {str(k): _value(v, arrays, special, depth + 1, nodes) for k, v in inner}
    if kind == "array" and type(inner) is int and 0 <= inner < len(arrays):
        return arrays[inner]
    if kind == "float":
        return float(str(inner)[:40])
    if kind == "int" and len(inner) <= DIGITS:
        return int(inner, 16)
    if kind == "text":
        return str(inner)
    if kind == "other":
        return other(str(inner))
    if kind == "special" and special:
        return special(inner)
    raise Broken(f"a value of kind {str(kind)[:40]!r} is not allowed")
