"""Slips that no single pattern spells: another axis, another variable of the same kind, an index one off, an order.

Each rule takes a node of a right answer and its surroundings and yields (what is written instead, name, hint, weight).
"""

from __future__ import annotations

import ast
import itertools

import numpy as np

from . import pattern as _p
from . import steps
from .words import AXES, axis_words, letters, listed

__all__ = ["RULES", "Place"]


class Place:
    """Where a node stands: the variables before its line, what the line makes, the exercise's words for axes."""

    def __init__(self, env, own, line, axes, is_result, outputs):
        self.env, self.own, self.line, self.axes = env, own, line, axes
        self.is_result, self.outputs = is_result, outputs
        self.line_words: dict = {}
        self.arguments: list = []
        self.unpacked: list = []
        self.steps = steps.__all__

    def value(self, node):
        """What an expression is worth here, for the first case; None where it cannot be computed."""
        if isinstance(node, ast.Name):
            return self.env.get(node.id)
        try:
            with np.errstate(all="ignore"):
                return eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<place>", "eval"), self.env)
        except Exception:
            return None

    def called(self, name) -> str:
        """A variable, and what it counts if it is a size."""
        words = self.axes.get(name) or AXES.get(name)
        is_size = isinstance(self.env.get(name), (int, np.integer))
        return f"`{name}` ({words})" if words and is_size else f"`{name}`"

    def axis(self, axis, value) -> str:
        """An axis of a value, in words."""
        return axis_words(axis, np.shape(value), self.env, self.axes, self.unpacked)


def _constant(value):
    return _p.pattern(repr(value))


def _literal(node):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return _literal  # no constant


def _call(node, *names):
    """`X.sum(...)` -> "sum" if it is one of `names`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "math")):
            return node.func.attr
    return None


def _with_keyword(node, **changes):
    """The call with keywords changed; None takes one away."""
    keywords = [k for k in node.keywords if k.arg not in changes]
    keywords += [ast.keyword(name, _constant(v[0])) for name, v in changes.items() if v is not None]
    return ast.Call(node.func, node.args, keywords)


def _other_axes(axis, ndim):
    """Axes, or several of them, that could have been meant instead."""
    if isinstance(axis, tuple):
        singles = [a for a in axis]
        fewer = [c for n in range(1, len(axis)) for c in itertools.combinations(axis, n)]
        others = [a for a in range(ndim) if a not in axis and a - ndim not in axis]
        swapped = [tuple(sorted({*axis} - {a} | {o})) for a in singles for o in others]
        more = [tuple(sorted({*axis, o})) for o in others]
        return [f if len(f) > 1 else f[0] for f in fewer] + swapped + more + others
    mine = axis % ndim
    single = [a if axis >= 0 or a == 0 else a - ndim for a in range(ndim) if a != mine]
    single += [a if axis < 0 else a - ndim for a in range(1, ndim) if a != mine]  # the same, unless axes vary in number
    pairs = [tuple(a - ndim for a in sorted((mine, o))) for o in range(ndim) if o != mine] if ndim > 2 else []
    return single + pairs


_CALLED = {
    "sum": "the sum", "mean": "the mean", "max": "the maximum", "min": "the minimum", "var": "the variance",
    "std": "the standard deviation",
}  # fmt: skip
_DIVIDE = "Does anything divide here, or are the parts added up?"
_BOUND = "Which number must bound all?"

# reduction -> (another one, name, hint, weight); {} is what is reduced
_INSTEAD = {
    "sum": (
        ("mean", "`{}` is averaged, not summed", _DIVIDE, 1.1),
        ("max", "the largest of `{}` is taken, not the sum", _DIVIDE, 1.3),
    ),
    "mean": (
        ("sum", "`{}` is summed, not averaged", "Does anything divide here?", 1.1),
        ("max", "the largest of `{}` is taken, not the mean", "The mean of which numbers?", 1.3),
        ("min", "the smallest of `{}` is taken, not the mean", "The mean of which numbers?", 1.8),
    ),
    "max": (
        ("mean", "the mean of `{}` is taken, not its maximum", _BOUND, 1.2),
        ("min", "the smallest of `{}` is taken, not the largest", _BOUND, 1.3),
        ("sum", "`{}` is summed, where its largest number is needed", _BOUND, 1.5),
    ),
    "min": (("max", "the largest of `{}` is taken, not the smallest", _BOUND, 1.3),),
    "var": (("std", "the standard deviation is taken, not the variance", "Which of them has a root?", 1.1),),
    "std": (("var", "the variance is taken, not the standard deviation", "Which of them has a root?", 1.1),),
}


def _axis_of(node):
    """The axis of a reduction as it is written: None for everything, `_literal` where it is no constant."""
    written = [k.value for k in node.keywords if k.arg == "axis"] or node.args[:1]
    return _literal(written[0]) if written else None


def reductions(node, at):
    """x.sum, x.mean, x.max, x.var: over other axes, not at all, one for the other, of one entry, without keepdims."""
    name = _call(node, "sum", "mean", "max", "min", "var", "std")
    value = at.value(node.func.value) if name else None
    if not isinstance(value, np.ndarray):
        return
    x, axis, called = node.func.value, _axis_of(node), _CALLED[name]
    text, has = _p.source(x), {k.arg for k in node.keywords}
    over = "Over which axis should it run, and what shape is left?"
    if "axis" in has and axis is not _literal and axis is not None:
        right = at.axis(axis, value)
        for other in _other_axes(axis, value.ndim):
            wrong = at.axis(other, value)
            yield _with_keyword(node, axis=(other,)), f"{called} runs over {wrong}, not over {right}", over, 1.1
        yield _with_keyword(node, axis=(None,)), f"{called} runs over everything, not over {right}", over, 1.1
        if name in ("sum", "mean") and isinstance(axis, int):
            yield from _one_entry(node, x, value, axis, right, "keepdims" in has)
    elif not node.args:
        for other in range(value.ndim):
            yield _with_keyword(node, axis=(other,)), f"{called} runs over {at.axis(other, value)} only", over, 1.2
        if value.ndim > 1:
            yield _with_keyword(node, axis=(-1,)), f"{called} runs over {at.axis(-1, value)} only", over, 1.25
    if "keepdims" in has:
        lost = "How can it keep its axis, with size 1, so that it lines up with the rows?"
        yield _with_keyword(node, keepdims=None), f"{called} has lost its axis (keepdims)", lost, 1.2
    for other, words, ask, weight in _INSTEAD[name]:
        made = ast.Call(ast.Attribute(x, other, ast.Load()), node.args, node.keywords)
        yield made, words.format(text), ask, weight
    yield from _other_counts(node, name, text, axis, called)
    yield x, f"{called} over {at.axis(axis, value) if axis is not _literal else 'its axis'} is left out", over, 1.3


def _one_entry(node, x, value, axis, right, keepdims):
    """One entry in place of a sum or a mean: the last of a loop that writes over, or the first; or one left out."""
    for index, words in ((-1, "the last"), (0, "the first")):
        made = _p.fill(_p.pattern(f"np.take(X, [{index}], axis={axis}).sum(axis={axis}, keepdims=K)"),
                       {"X": x, "K": ast.Constant(keepdims)})  # fmt: skip
        ask = "In a loop, what is left of the earlier rounds after the last one?"
        yield made, f"of {right} only {words} counts", ask, 1.45
        parts = f"X.shape[{axis}]" if _call(node, "mean") else "1"
        rest = _p.fill(_p.pattern(f"F - np.take(X, [{index}], axis={axis}).sum(axis={axis}, keepdims=K) / {parts}"),
                       {"F": node, "X": x, "K": ast.Constant(keepdims)})  # fmt: skip
        yield rest, f"{words} of {right} is left out", "Where does a loop over them begin, and where does it end?", 1.5


def _other_counts(node, name, text, axis, called):
    """Divided by another number of terms."""
    if name == "sum":
        made = ast.BinOp(node, ast.Div(), _p.pattern(f"len({text})"))
        yield made, f"{called} is divided by the size of its first axis", _DIVIDE, 1.5
    elif name == "mean" and axis is not _literal:
        n = f"{text}.size" if axis is None else f"np.prod([{text}.shape[i] for i in np.atleast_1d({axis!r})])"
        made = _p.fill(_p.pattern(f"X * {n} / ({n} - 1)"), {"X": node})
        yield made, "divided by one less than the number of terms", "How many terms does the mean have?", 1.4
        made = _p.fill(_p.pattern(f"X * {n} / ({n} + 1)"), {"X": node})
        yield made, "divided by one more than the number of terms", "How many terms does the mean have?", 1.5
    elif name in ("var", "std"):
        has_one = any(k.arg == "ddof" and _literal(k.value) == 1 for k in node.keywords)
        words = "the biased one, divided by their number" if has_one else "the unbiased one, divided by one less"
        ask = (
            "The mean was taken from the same numbers: of n deviations, how many are free?" if has_one
            else "Nothing is estimated here: the numbers are all there are. Divide by how many?"
        )  # fmt: skip
        yield _with_keyword(node, ddof=(0 if has_one else 1,)), f"the variance is {words}", ask, 1.0


def softmax_axes(node, at):
    """softmax(x) over another axis than the last."""
    found = _p.match(_p.pattern("softmax(X)"), node)
    value = at.value(node) if found else None
    if value is None or not np.ndim(value):
        return
    ask = "Which numbers belong together, so that they sum to 1?"
    right = at.axis(-1, value)
    for other in range(np.ndim(value) - 1):
        made = _p.fill(_p.pattern(f"softmax(X, {other})"), found)
        wrong = at.axis(other - value.ndim, value)
        yield made, f"the softmax runs over {wrong}, not over {right}", ask, 1.0
        text = f"np.exp(X - X.max(axis=-1, keepdims=True)) / np.exp(X - X.max(axis=-1, keepdims=True)).sum({other}, K)"
        made = _p.fill(_p.pattern(text.replace("K", "keepdims=True")), found)
        yield made, f"in the softmax the sum runs over {wrong}, not over {right}", ask, 1.1
    for axes in ((-2, -1), None):
        if axes is None or np.ndim(value) > 1:
            what = "everything" if axes is None else at.axis(axes, value)
            yield (
                _p.fill(_p.pattern(f"softmax(X, {axes})"), found),
                f"one softmax over {what}, instead of one over {right}", ask, 1.1,
            )  # fmt: skip


# The squared deviations are those from the mean that was taken, over whatever axes.
_SPREAD = (
    "(X - X.mean(axis=M, keepdims=True)) / "
    "np.sqrt(((X - X.mean(axis=M, keepdims=True)) ** 2).mean(axis=V, keepdims=True) + E)"
)


def normalised_axes(node, at):
    """standardise(x, axis, eps) over other axes."""
    found = _p.match(_p.pattern("standardise(X, A, E)"), node)
    if not found:
        return
    value, axis = at.value(found["X"]), _literal(found["A"])
    if axis is _literal or value is None:
        return
    right = at.axis(axis, value)
    others = [*_other_axes(axis, value.ndim), tuple(range(value.ndim))]
    if isinstance(axis, int) and value.ndim > 2:
        others.append(tuple(a for a in range(value.ndim) if a != axis % value.ndim))  # all but the right one
    for other in others:
        ask = "Which numbers share one mean and one variance?"
        for text, who, weight in (
            ("standardise(X, O, E)", "mean and variance run", 1.0),
            ("standardise(X, O, E, A)", "the mean runs", 1.3),
            (_SPREAD.replace("M", "O").replace("V", "A"), "the mean runs", 1.3),
            ("standardise(X, A, E, O)", "the variance runs", 1.3),
            (_SPREAD.replace("M", "A").replace("V", "O"), "the variance runs", 1.3),
        ):
            made = _p.fill(_p.pattern(text), {**found, "O": _constant(other)})
            yield made, f"{who} over {at.axis(other, value)}, not over {right}", ask, weight


def other_variables(node, at):
    """A variable in place of another one of the same kind."""
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in at.own):
        return
    mine = at.env.get(node.id)
    for name in at.own:
        other = at.env.get(name)
        if name == node.id or other is None or name not in at.env:
            continue
        if _alike(mine, other):
            weight = 1.5 if not isinstance(mine, np.ndarray) or mine.shape == other.shape else 1.6
            words = f"{at.called(name)} stands where {at.called(node.id)} belongs"
            yield ast.Name(name, ast.Load()), words, "Which variable does the formula have in this place?", weight


def _alike(a, b) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.ndim == b.ndim and (a.dtype.kind == b.dtype.kind)
    if callable(a) and callable(b):
        return not isinstance(a, type)
    number = (int, float, np.integer, np.floating)
    if isinstance(a, number) and isinstance(b, number) and not isinstance(a, bool) and not isinstance(b, bool):
        return isinstance(a, (int, np.integer)) == isinstance(b, (int, np.integer))
    return type(a) is type(b) and isinstance(a, (list, tuple))


def calls(node, at):
    """f(X) left out, f(g(X)) in the other order, two arguments exchanged: for functions that are arguments or steps."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return
    name, args = node.func.id, node.args
    if name in at.own and args:
        ask = "Which layers does the formula name, in which order, and what does each of them read?"
        yield args[0], f"`{name}` is left out", ask, 1.1
        inner = args[0]
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id in at.own and inner.args:
            swapped = ast.Call(inner.func, [ast.Call(node.func, [inner.args[0], *args[1:]], node.keywords),
                                            *inner.args[1:]], inner.keywords)  # fmt: skip
            yield swapped, f"`{inner.func.id}` comes after `{name}`, not before it", ask, 1.1
        yield (
            ast.Call(node.func, [ast.Call(node.func, args, node.keywords), *args[1:]], node.keywords),
            f"`{name}` is used twice in a row", ask, 1.9,
        )  # fmt: skip
    elif name in at.steps and len(args) == 1 and isinstance(args[0], ast.Call) and args[0].args:
        inner = args[0]
        if isinstance(inner.func, ast.Name) and inner.func.id in at.own:
            read = ast.Call(node.func, [inner.args[0]], [])
            swapped = ast.Call(inner.func, [read, *inner.args[1:]], inner.keywords)
            ask = "In which order do the two stand in the formula?"
            yield swapped, f"`{inner.func.id}` comes after what should follow it", ask, 1.2
        if len(args) > 1:
            yield ast.Call(node.func, args[:1], node.keywords), f"`{name}` gets no `{_p.source(args[1])}`", ask, 1.3


def numbers(node, at):
    """A whole number one off; the 1 in 1 - x; other constants left out."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        return
    ask = "Try the smallest case by hand: does the number fit?"
    if isinstance(node.value, int):
        for other in (node.value - 1, node.value + 1):
            yield _constant(other), f"there is {other} where {node.value} belongs", ask, 1.8
    if node.value not in (0, 1) and node.value != 1.0:
        yield _constant(1), f"there is 1 where {node.value} belongs", ask, 1.85


def sizes(node, at):
    """A whole number that has a name, one off or doubled."""
    mine = at.value(node) if isinstance(node, ast.Name) and node.id in at.own else None
    if not isinstance(mine, (int, np.integer)) or isinstance(mine, bool):
        return
    ask = "Count by hand in the smallest case: how many are there?"
    for text, weight in (("X - 1", 1.7), ("X + 1", 1.75), ("2 * X", 1.8)):
        wrong = text.replace("X", node.id)
        yield _p.fill(_p.pattern(text), {"X": node}), f"`{wrong}` stands where `{node.id}` belongs", ask, weight


def complements(node, at):
    """1 - x for x, and the other way round; X + 1 and X - 1 without it."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _literal(node.left) in (1, 1.0):
        text = _p.source(node.right)
        ask = "Which part is kept, and which is given away?"
        yield node.right, f"`{text}` stands where 1 - `{text}` belongs", ask, 1.2
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and _literal(node.right) == 1:
        sign = "+ 1" if isinstance(node.op, ast.Add) else "- 1"
        yield node.left, f"the {sign} is forgotten", "Count by hand in the smallest case.", 1.1
        return
    mine = at.value(node) if isinstance(node, ast.Name) else None
    if isinstance(mine, float) and 0 < mine < 1:
        made = _p.fill(_p.pattern("1 - X"), {"X": node})
        name = node.id
        yield made, f"1 - `{name}` stands where `{name}` belongs", "Which part is kept, and which given away?", 1.5


def comparisons(node, at):
    """< for <=, and turned round."""
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return
    text = _p.source(node)
    border = "Which case does the border itself belong to?"
    edge = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
    turned = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
    kind = type(node.ops[0])
    if kind in edge:
        yield (
            ast.Compare(node.left, [edge[kind]()], node.comparators),
            f"the border of `{text}` is on the wrong side", border, 1.2,
        )  # fmt: skip
    if kind in turned:
        yield (
            ast.Compare(node.left, [turned[kind]()], node.comparators),
            f"the condition `{text}` is turned round", "When does it hold?", 1.3,
        )  # fmt: skip


def connectives(node, at):
    """`and` for `or`, and one of the conditions alone."""
    if not isinstance(node, ast.BoolOp):
        return
    ask = "Take one case in which only the first holds, and one in which only the second does."
    is_and = isinstance(node.op, ast.And)
    other = ast.Or() if is_and else ast.And()
    words = "`or` stands where `and` belongs" if is_and else "`and` stands where `or` belongs"
    yield ast.BoolOp(other, node.values), words, ask, 1.2
    for value in node.values:
        yield value, f"`{_p.source(value)}` alone is asked", ask, 1.3


def inversions(node, at):
    """A mask of booleans turned round; ~x without the ~."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        yield node.operand, f"`{_p.source(node.operand)}` is not turned round", "What does True mean?", 1.1
    elif isinstance(node, ast.Name) and node.id in at.own:
        value = at.env.get(node.id)
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            yield ast.UnaryOp(ast.Invert(), node), f"`{node.id}` is turned round", "What does True mean in it?", 1.0


def axes_orders(node, at):
    """x.transpose(...) with other orders of axes, left out, or as a reshape."""
    if _call(node, "transpose") and all(_literal(a) is not _literal for a in node.args):
        order = tuple(_literal(a) for a in node.args)
        x = node.func.value
        value = at.value(x)
        ask = "Write the letter of each axis before and after: which axis moves where?"
        yield x, "the axes are not moved", ask, 1.1
        made = _p.fill(_p.pattern("X.reshape(Y.shape)"), {"X": x, "Y": node})
        yield made, "a reshape stands where axes should move", ask, 1.1
        inverse = tuple(np.argsort(order))
        names = letters(np.shape(value), at.env, at.unpacked) if value is not None else [""] * len(order)
        orders = _near(order)
        if len(order) <= 6:  # all; of five axes and more the first one stays
            first = [] if len(order) <= 4 else [0]
            orders = [(*first, *rest) for rest in itertools.permutations(range(len(first), len(order)))]
        for other in orders:
            if other == order:
                continue
            wrong = ", ".join(names[i] or f"axis {i}" for i in other)
            what = f"the axes are moved to ({wrong})"
            if other == inverse:
                what = f"the axes are moved the other way round, to ({wrong})"
            weight = 1.3 if sum(a != b for a, b in zip(other, order, strict=True)) == 2 else 1.6
            yield ast.Call(node.func, [_constant(i) for i in other], []), what, ask, weight
    elif _call(node, "swapaxes"):
        x = node.func.value
        ask = "Write the letter of each axis before and after: which two change places?"
        yield x, "the axes are not moved", ask, 1.1
        made = _p.fill(_p.pattern("X.reshape(Y.shape)"), {"X": x, "Y": node})
        yield made, "a reshape stands where axes should move", ask, 1.1
        value = at.value(x)
        mine = tuple(_literal(a) for a in node.args)
        for pair in itertools.combinations(range(np.ndim(value)), 2):
            if {p % np.ndim(value) for p in pair} != {m % np.ndim(value) for m in mine if m is not _literal}:
                a, b = (at.axis(i, value) for i in pair)
                yield ast.Call(node.func, [_constant(i) for i in pair], []), f"{a} and {b} change places", ask, 1.6


def _near(order):
    """All orders that differ in two places, or by one axis moved elsewhere."""
    n, found = len(order), set()
    for i, j in itertools.combinations(range(n), 2):
        other = list(order)
        other[i], other[j] = other[j], other[i]
        found.add(tuple(other))
    for i, j in itertools.product(range(n), repeat=2):
        other = list(order)
        other.insert(j, other.pop(i))
        found.add(tuple(other))
    found.add(tuple(int(i) for i in np.argsort(order)))
    return sorted(found - {tuple(order)})


def reshapes(node, at):
    """x.reshape(...) with two sizes exchanged, or left out."""
    if not _call(node, "reshape") or len(node.args) < 2:
        return
    ask = "Which axis varies fastest in memory, and in which order do you cut it?"
    for i, j in itertools.combinations(range(len(node.args)), 2):
        args = list(node.args)
        args[i], args[j] = args[j], args[i]
        a, b = _p.source(node.args[i]), _p.source(node.args[j])
        if a != b and _literal(node.args[i]) != -1 and _literal(node.args[j]) != -1:
            weight = 1.4 if j == i + 1 else 1.8
            yield (
                ast.Call(node.func, args, []),
                f"`{a}` and `{b}` are in each other's place in the reshape",
                ask,
                weight,
            )
    yield node.func.value, "the reshape is left out", ask, 1.2


def parts(node, at):
    """np.concatenate and np.stack: another axis, another order, a part missing."""
    if not (
        isinstance(node, ast.Call)
        and _p.source(node.func) in ("np.concatenate", "np.stack")
        and node.args
        and isinstance(node.args[0], (ast.List, ast.Tuple))
    ):
        return
    items = node.args[0].elts
    axis = next((k.value for k in node.keywords if k.arg == "axis"), ast.Constant(0))
    value = at.value(node)
    ask = "In which order, and along which axis, are they joined?"
    names = [f"`{_p.source(i)}`" for i in items]
    for order in itertools.permutations(range(len(items))):
        if order != tuple(range(len(items))):
            made = ast.Call(node.func, [ast.List([items[i] for i in order], ast.Load())], node.keywords)
            yield made, f"the parts are joined in the order {listed(names[i] for i in order)}", ask, 1.1
    for other in range(np.ndim(value)):
        if _literal(axis) is not _literal and other != _literal(axis) % max(np.ndim(value), 1):
            made = ast.Call(node.func, node.args, [ast.keyword("axis", _constant(other))])
            what = "next to each other" if np.ndim(value) == 0 else f"along {at.axis(other, value)}"
            yield made, f"the parts are joined {what}", ask, 1.2
    for i, item in enumerate(items):
        rest = [other for j, other in enumerate(items) if j != i]
        if len(items) == 2:
            yield rest[0], f"the part {names[i]} is missing", ask, 1.2
        else:
            yield (
                ast.Call(node.func, [ast.List(rest, ast.Load())], node.keywords),
                f"the part {names[i]} is missing", ask, 1.2,
            )  # fmt: skip
        zero = ast.BinOp(ast.Constant(0), ast.Mult(), item)
        zeroed = [zero if j == i else other for j, other in enumerate(items)]
        yield (
            ast.Call(node.func, [ast.List(zeroed, ast.Load())], node.keywords),
            f"the part {names[i]} is all zeros", ask, 1.4,
        )  # fmt: skip
        for j, _ in enumerate(items):
            if i != j:
                twice = [items[j] if n == i else other for n, other in enumerate(items)]
                yield (
                    ast.Call(node.func, [ast.List(twice, ast.Load())], node.keywords),
                    f"{names[j]} stands there instead of {names[i]} too", ask, 1.7,
                )  # fmt: skip
    if len(items) == 2:
        made = ast.BinOp(items[0], ast.Add(), items[1])
        yield made, "the parts are added, not joined", ask, 1.2
    if _literal(axis) in (-1, np.ndim(value) - 1) and np.ndim(value) and _p.source(node.func) == "np.concatenate":
        joined = _p.fill(_p.pattern("np.stack(L, axis=-1).reshape(V.shape)"),
                         {"L": ast.List(items, ast.Load()), "V": node})  # fmt: skip
        yield joined, "the parts are dealt in by turns, not joined one after the other", ask, 1.4


def indices(node, at):
    """x[:, 0], x[1:], x[::-1]: another entry, another end, another axis, no step."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    text = _p.source(node)
    ask = "Which entries are wanted? Write their numbers down for the smallest case."

    def made(new):
        inner = ast.Tuple(new, ast.Load()) if len(new) > 1 or isinstance(node.slice, ast.Tuple) else new[0]
        return ast.Subscript(node.value, inner, ast.Load())

    def put(i, new):
        return made([new if j == i else item for j, item in enumerate(items)])

    full = ast.Slice()
    for i, item in enumerate(items):
        number = _literal(item)
        if isinstance(number, int) and not isinstance(number, bool):
            for other in {0, -1, 1} - {number}:
                yield put(i, _constant(other)), f"entry {other} is read, not entry {number}, in `{text}`", ask, 1.2
            if isinstance(at.value(node.value), np.ndarray):
                yield put(i, full), f"nothing is picked along axis {i} of `{_p.source(node.value)}`", ask, 1.3
                value = at.value(node.value)
                for reduce, words in (("mean", "the mean over"), ("sum", "the sum over"), ("max", "the largest over")):
                    reduced = _p.pattern(f"X.{reduce}(axis={i})")
                    name = f"{words} {at.axis(i, value)} is taken, not entry {number}, of `{_p.source(node.value)}`"
                    yield _p.fill(reduced, {"X": node.value}), name, ask, 1.5
                for j in range(value.ndim):
                    if j != i:
                        others = [ast.Slice()] * j + [item]
                        which = at.axis(j, value)
                        yield (
                            made(others),
                            f"entry {number} is read along {which} of `{_p.source(node.value)}`",
                            ask,
                            1.3,
                        )
        elif isinstance(item, ast.Slice):
            lower, upper, step = item.lower, item.upper, item.step
            if step is not None:
                yield put(i, ast.Slice(lower, upper)), f"the step of `{text}` is not used", ask, 1.2
                if lower is None:
                    late = _p.fill(_p.pattern("X - 1"), {"X": step})
                    yield put(i, ast.Slice(late, upper, step)), f"`{text}` starts at the step less 1", ask, 1.5
            if lower is not None and upper is None:
                n = _literal(lower)
                if isinstance(n, int):
                    yield (
                        put(i, ast.Slice(None, _constant(-n))),
                        f"the last are left out, not the first: `{text}`",
                        ask,
                        1.2,
                    )
                yield put(i, ast.Slice()), f"nothing is left out in `{text}`", ask, 1.2
            elif upper is not None and lower is None:
                n = _literal(upper)
                if isinstance(n, int) and n < 0:
                    yield (
                        put(i, ast.Slice(_constant(-n), None)),
                        f"the first are left out, not the last: `{text}`",
                        ask,
                        1.2,
                    )
                yield put(i, ast.Slice()), f"nothing is left out in `{text}`", ask, 1.2
                yield put(i, ast.Slice(upper, None)), f"the others are taken in `{text}`", ask, 1.5
            elif upper is not None and lower is not None:
                yield put(i, ast.Slice(None, upper)), f"`{text}` starts at 0", ask, 1.5
                yield put(i, ast.Slice(lower, None)), f"`{text}` goes on to the end", ask, 1.5
    value = at.value(node.value)
    if isinstance(value, np.ndarray) and len(items) == 1 and isinstance(at.value(items[0]), np.ndarray):
        index = at.value(items[0])
        if index.dtype.kind in "iu":
            inverse = _p.fill(_p.pattern("np.argsort(X)"), {"X": items[0]})
            yield put(0, inverse), f"`{_p.source(items[0])}` is used the other way round: the inverse order", ask, 1.1
            yield node.value, f"`{_p.source(items[0])}` is not used", ask, 1.2


def results(node, at):
    """Of the last line: another order of the results, two of them the same, an earlier value returned."""
    if not at.is_result:
        return
    ask = "What was asked for, in which order, and which line makes it?"
    if isinstance(node, ast.Tuple) and len(node.elts) == len(at.outputs) > 1:
        names, n = list(at.outputs), len(node.elts)
        for order in itertools.permutations(range(n)) if n <= 4 else _near(tuple(range(n))):
            moved = [i for i in range(n) if order[i] != i]
            if not moved:
                continue
            made = ast.Tuple([node.elts[i] for i in order], ast.Load())
            if len(moved) == 2:
                a, b = (names[i] for i in moved)
                yield made, f"{a} and {b} are in each other's place", ask, 0.9
            else:
                yield made, f"the results are in another order: {', '.join(names[i] for i in order)}", ask, 0.9
        for i in range(n):
            for j in range(n):
                if i != j:
                    elts = [node.elts[j] if k == i else e for k, e in enumerate(node.elts)]
                    yield ast.Tuple(elts, ast.Load()), f"{names[j]} is returned in place of {names[i]} too", ask, 1.6
    if len(at.outputs) == 1 and isinstance(node, ast.expr):
        for new, words, weight in _changed(node, at):
            yield new, f"the answer is {words}", "What was asked for, and what is done to it at the end?", weight
        value = at.value(node)
        for name in at.arguments:
            mine = at.env.get(name)
            if isinstance(mine, np.ndarray) and mine.ndim and mine.shape == np.shape(value):
                made = ast.BinOp(ast.Name(name, ast.Load()), ast.Add(), node)
                yield made, f"`{name}` is added to the answer", "Which terms does the formula have?", 1.4
        for name in at.own:
            if isinstance(at.env.get(name), np.ndarray) and at.env[name].ndim:
                words = at.line_words.get(name)
                what = f"`{name}`, {words}," if words else f"`{name}`"
                yield ast.Name(name, ast.Load()), f"{what} is returned, not the answer", ask, 1.2
    elif isinstance(node, ast.Tuple) and len(node.elts) == len(at.outputs):
        for i, (element, name) in enumerate(zip(node.elts, at.outputs, strict=True)):
            for new, words, weight in _changed(element, at):
                elts = [new if j == i else e for j, e in enumerate(node.elts)]
                yield ast.Tuple(elts, ast.Load()), f"{name} is {words}", "What is done to it at the end?", weight


def _changed(node, at):
    """A right result, and then one thing more: (what is written, in words, weight), where it makes a difference."""
    value = at.value(node)
    if not isinstance(value, (int, float, np.number, np.ndarray)) or np.asarray(value).dtype.kind not in "fiu":
        return
    value = np.asarray(value)
    texts = [("X / 2", "halved", 1.6), ("2 * X", "doubled", 1.6), ("-X", "turned in its sign", 1.6),
             ("np.abs(X)", "made positive", 1.7), ("1 - X", "taken from 1", 1.7), ("100 * X", "in per cent", 1.7),
             ("X**2", "squared", 1.8), ("np.sqrt(X)", "the root of what is wanted", 1.8), ("1 / X", "upside down", 1.8),
             ("np.log(X)", "the logarithm of what is wanted", 1.8),
             ("np.exp(X)", "the exponential of what is wanted", 1.8)]  # fmt: skip
    if not value.any():
        return
    if value.dtype.kind in "iu":
        texts += [("X + 1", "one too large", 1.65), ("X - 1", "one too small", 1.65)]
    for name in at.own:
        if _is_count(at.env.get(name)):
            called = at.called(name)
            texts += [(f"X / {name}", f"divided by {called} once too often", 1.75),
                      (f"X * {name}", f"multiplied by {called} once too often", 1.75),
                      (f"X / np.sqrt({name})", f"divided by the root of {called} once too often", 1.8),
                      (f"X * np.sqrt({name})", f"multiplied by the root of {called} once too often", 1.85)]  # fmt: skip
    if value.ndim:
        last = "X * (np.arange(X.size).reshape(X.shape) != X.size - 1)"
        texts.append((last, "right but for its very last number, left at 0", 1.8))
    for a, b in itertools.combinations(dict.fromkeys(n for names in at.unpacked for n in names), 2):
        if _is_count(at.env.get(a)) and _is_count(at.env.get(b)):
            texts.append((f"X / ({a} * {b})", f"divided by {at.called(a)} and by {at.called(b)} once too often", 1.85))
    for axis in range(value.ndim):
        along, shape = at.axis(axis, value), [-1 if a == axis else 1 for a in range(value.ndim)]
        here = f"np.arange(X.shape[{axis}]).reshape({shape})"
        texts += [(f"np.flip(X, {axis})", f"turned round along {along}", 1.75),
                  (f"np.roll(X, 1, {axis})", f"one place too late along {along}", 1.75),
                  (f"np.roll(X, -1, {axis})", f"one place too early along {along}", 1.75),
                  (f"X.sum(axis={axis})", f"summed over {along} as well", 1.8),
                  (f"X.mean(axis={axis})", f"averaged over {along} as well", 1.8),
                  (f"X * ({here} == 0)", f"filled for the first entry of {along} only, and 0 elsewhere", 1.8),
                  (f"X * ({here} != X.shape[{axis}] - 1)", f"right but for the last entry of {along}, left at 0", 1.8),
                  (f"X * ({here} == X.shape[{axis}] - 1)", f"filled for the last entry of {along} only", 1.85),
                  (f"X * 0 + np.take(X, [0], {axis})", f"that of entry 0 along all of {along}", 1.85)]  # fmt: skip
    orders = itertools.permutations(range(value.ndim)) if value.ndim < 4 else _near(tuple(range(value.ndim)))
    texts += [(f"X.transpose({order})", f"turned: its axes are in the order {order}", 1.7)
              for order in orders if list(order) != sorted(order)]  # fmt: skip
    for text, words, weight in texts:
        new = _p.fill(_p.pattern(text), {"X": node})
        made = at.value(new)
        if made is not None and not (np.shape(made) == value.shape and np.allclose(made, value, equal_nan=True)):
            yield new, words, weight


def _is_count(value) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_)) and value > 1


def operands(node, at):
    """An array or a number made positive, squared, or its first entry taken for all."""
    if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in at.own):
        return
    mine, name = at.env.get(node.id), node.id
    if isinstance(mine, np.ndarray) and mine.dtype.kind == "f":
        texts = [("np.abs(X)", f"`{name}` is made positive", 1.8), ("X**2", f"`{name}` is squared", 1.8)]
        for axis in range(mine.ndim):
            along = at.axis(axis, mine)
            first = f"np.take(X, 0 * np.arange(X.shape[{axis}]), {axis})"
            texts.append((first, f"entry 0 of {along} stands for all of `{name}`", 1.8))
    elif isinstance(mine, float):
        texts = [("X**2", f"`{name}` is squared", 1.8), ("np.sqrt(X)", f"the root of `{name}` is taken", 1.8),
                 ("-X", f"`{name}` has the wrong sign", 1.7)]  # fmt: skip
    elif _is_count(mine):
        texts = [("np.sqrt(X)", f"the root of `{name}` is taken", 1.85), ("X**2", f"`{name}` is squared", 1.85)]
    else:
        return
    for text, words, weight in texts:
        new = _p.fill(_p.pattern(text), {"X": node})
        made = at.value(new)
        if made is not None and not np.array_equal(made, mine):
            yield new, words, "Which numbers does the formula have in this place?", weight


def loops(node, at):
    """A loop that leaves out its last or its first round, or runs backwards."""
    ask = "Which is the first round, which is the last, and what is done in each?"
    rounds = (("list(X)[:-1]", "the last round of the loop is left out", 1.4),
              ("list(X)[1:]", "the first round of the loop is left out", 1.5),
              ("list(X)[::-1]", "the loop runs backwards", 1.5))  # fmt: skip
    if isinstance(node, ast.For):
        for text, words, weight in rounds:
            over = _p.fill(_p.pattern(text), {"X": node.iter})
            yield ast.For(node.target, over, node.body, node.orelse), words, ask, weight
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp)) and len(node.generators) == 1:
        one = node.generators[0]
        for text, words, weight in rounds:
            over = ast.comprehension(one.target, _p.fill(_p.pattern(text), {"X": one.iter}), one.ifs, 0)
            yield type(node)(node.elt, [over]), words, ask, weight


def accumulations(node, at):
    """total += x written as total = x."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        name = _p.source(node.target)
        yield (
            ast.Assign([node.target], node.value), f"`{name}` is written over where it should grow: `=` for `+=`",
            "After the second round, what should be in it?", 1.0,
        )  # fmt: skip


RULES = (
    reductions, softmax_axes, normalised_axes, other_variables, calls, numbers, sizes, complements, comparisons,
    connectives, inversions, axes_orders, reshapes, parts, indices, accumulations, operands, loops,
)  # fmt: skip
RESULT_RULES = (results,)
