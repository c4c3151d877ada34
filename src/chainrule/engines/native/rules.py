"""Rules: how operations that do not work element by element are drafted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.native.drafts import SCALAR, Draft, Drafting, NoKernel, space_of
from chainrule.engines.native.plan import BATCH_ROWS, Space
from chainrule.graph import Batch, Shape, Value
from chainrule.ops.arithmetic import Add, Multiply, Negative

Rule = Callable[[Drafting, Value, "list[int]"], int]


def _matrix(drafting: Drafting, slot: int) -> int:
    """The slot as a matrix a product can read."""
    slot = drafting.settled(slot)
    space = drafting.spaces[slot]
    if space.layout == "column":
        return drafting.instruction("to_matrix", Space("matrix", space.rows, 1), slot)
    drafting.stored[slot] = True
    return slot


def _as(drafting: Drafting, made: int, wanted: Space) -> int:
    """A result of one column, as the column or number it is elsewhere."""
    if drafting.spaces[made] == wanted:
        return made
    if wanted.layout == "column":
        return drafting.instruction("to_column", wanted, made)
    return made


def _product(drafting: Drafting, value: Value, a: int, b: int, opcode: str) -> int:
    a, b = drafting.factor(_matrix(drafting, a)), drafting.factor(_matrix(drafting, b))
    left, right = drafting.spaces[a], drafting.spaces[b]
    if opcode == "tn" and left.columns == BATCH_ROWS:
        raise NoKernel(value)
    rows = left.columns if opcode == "tn" else left.rows
    columns = right.rows if opcode == "nt" else right.columns
    if drafting.tiles:
        opcode += "_bfloat16"
    made = drafting.instruction(opcode, _shaped(rows, columns), a, b)
    return _as(drafting, made, space_of(value))


def _shaped(rows: int, columns: int) -> Space:
    return SCALAR if (rows, columns) == (1, 1) else Space("matrix", rows, columns)


def _not_a_batch(drafting: Drafting, value: Value, slot: int) -> Space:
    """The space of a matrix that can be transposed."""
    space = drafting.spaces[_matrix(drafting, slot)]
    if space.rows == BATCH_ROWS:
        raise NoKernel(value, "of a transposed batch")
    return space


def _transposed(drafting: Drafting, value: Value, slot: int) -> int:
    space = _not_a_batch(drafting, value, slot)
    if space == SCALAR:
        return slot
    return drafting.instruction("transpose", _shaped(space.columns, space.rows), slot)


def _matmul(drafting: Drafting, value: Value, sources: list[int]) -> int:
    a, b = sources
    op: Any = value.op
    by_rows = op.transpose_b and drafting.tiles  # tiles turn what they take
    if by_rows:
        _not_a_batch(drafting, value, b)
    elif op.transpose_b:
        b = _transposed(drafting, value, b)
    if op.transpose_a and not op.transpose_b:
        return _product(drafting, value, a, b, "tn")
    if op.transpose_a:
        a = _transposed(drafting, value, a)
    return _product(drafting, value, a, b, "nt" if by_rows else "nn")


def _affine(drafting: Drafting, value: Value, sources: list[int]) -> int:
    x, w, b = sources
    product = _product(drafting, value, x, w, "nn")
    return drafting.elementwise(Add(), value, space_of(value), [product, b])


def _reshape(drafting: Drafting, value: Value, sources: list[int]) -> int:
    if drafting.spaces[sources[0]] == space_of(value):
        return sources[0]
    raise NoKernel(value, f"from {value.inputs[0].shape} to {value.shape}")


def _sum(drafting: Drafting, value: Value, sources: list[int]) -> int:
    (x,) = sources
    own, wanted = drafting.spaces[x], space_of(value)
    op: Any = value.op
    rank = value.inputs[0].rank
    axes = op.reduced(rank)
    if own == wanted:
        return x
    by_row = "row_sum"
    inner = value.inputs[0]
    if inner.op is not None and inner.op.name == "square" and own.layout == "matrix":
        x, by_row = drafting.slot_of[inner.inputs[0]], "row_sum_of_squares"
    if wanted == SCALAR:
        if own.layout == "matrix":
            x = drafting.instruction(by_row, Space("column", own.rows), x)
        return drafting.instruction("total", SCALAR, x)
    shape = value.inputs[0].shape
    if own.layout == "matrix" and axes == tuple(range(len(axes))) and own.rows == BATCH_ROWS:
        sums = drafting.instruction("column_sum", Space("matrix", 1, own.columns), sources[0])
        if wanted.rows == 1 and wanted.layout == "matrix":
            return _folded(drafting, sums, wanted)
    elif rank == 2 and axes == (0,):
        if own.layout == "matrix" and wanted == Space("matrix", 1, own.columns):
            return drafting.instruction("column_sum", wanted, sources[0])
    elif axes == tuple(range(1, len(axes) + 1)) != tuple(range(1, rank)):
        if own.layout == "matrix" and own.rows == BATCH_ROWS:
            made = _folded(drafting, sources[0], Space("matrix", BATCH_ROWS, wanted.columns))
            return _as(drafting, made, wanted)
    elif own.layout == "matrix" and (count := _vectors(shape, axes)) > 1:
        return drafting.instruction(by_row, wanted, x, integers=(count,))
    elif own.layout == "matrix" and wanted.layout == "column" and count == 1:
        return drafting.instruction(by_row, wanted, x)
    elif axes == tuple(range(1, rank)) and own.layout == "matrix":
        column = drafting.instruction(by_row, Space("column", own.rows), x)
        if wanted.layout == "column":
            return column
        upright = _matrix(drafting, column)
        if wanted == drafting.spaces[upright]:
            return upright
        if wanted == Space("matrix", 1, own.rows):
            return drafting.instruction("transpose", wanted, upright)
    raise NoKernel(value, f"over axes {axes} of {value.inputs[0].shape}")


def _vectors(shape: Shape, axes: Sequence[int]) -> int:
    """How many vectors along the last axes lie side by side in a row of a batch; 0 if not along those."""
    rank = len(shape)
    first = rank - len(axes)
    if not isinstance(shape[0], Batch) or first < 1 or tuple(axes) != tuple(range(first, rank)):
        return 0
    return math.prod(d for d in shape[1:first] if isinstance(d, int))


def _folded(drafting: Drafting, slot: int, wanted: Space) -> int:
    """The sum of what lies side by side, each part as wide as wanted."""
    if drafting.spaces[slot] == wanted:
        return slot
    return drafting.instruction("fold_columns", wanted, slot)


def _max(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    wanted = space_of(value)
    if drafting.spaces[sources[0]] == wanted:  # of one element each
        return sources[0]
    last = value.inputs[0].rank - 1
    by_row = wanted.layout == "column" and op.reduced(last + 1) == (last,)
    if drafting.spaces[sources[0]].layout == "matrix":
        if by_row:
            return drafting.instruction("row_max", wanted, sources[0])
        if (count := _vectors(value.inputs[0].shape, op.reduced(last + 1))) > 1:
            return drafting.instruction("row_max", wanted, sources[0], integers=(count,))
    raise NoKernel(value, f"over axes {op.axes} of {value.inputs[0].shape}")


def _rowwise(opcode: str) -> Rule:
    def rule(drafting: Drafting, value: Value, sources: list[int]) -> int:
        own, shape = drafting.spaces[sources[0]], value.inputs[0].shape
        count = 1 if len(shape) == 2 else _vectors(shape, (len(shape) - 1,))
        if own.layout != "matrix" or count < 1:
            raise NoKernel(value, f"on shape {shape}")
        integers = (count,) if count > 1 else ()
        return drafting.instruction(opcode, space_of(value), *sources, integers=integers)

    return rule


def _subtract(drafting: Drafting, value: Value, sources: list[int]) -> int:
    """softmax(z) − one_hot(y), the gradient of the cross-entropy, is made beside the loss."""
    left, right = value.inputs
    names = [x.op.name if x.op is not None else "" for x in value.inputs]
    if names == ["softmax", "one_hot"] and left.shape == right.shape:
        logits = drafting.settled(drafting.slot_of[left.inputs[0]])
        labels = drafting.slot_of[right.inputs[0]]
        for at, draft in enumerate(drafting.drafts):
            if (draft.opcode, draft.a, draft.b) == ("sparse_cross_entropy", logits, labels):
                if draft.also < 0:
                    draft.also = drafting.slot(space_of(value), at, stored=True)
                return draft.also
    assert value.op is not None
    return drafting.elementwise(
        value.op, value, space_of(value), spread_out(drafting, value, sources)
    )


def _softmax_cross_entropy(drafting: Drafting, value: Value, sources: list[int]) -> int:
    logits, targets = sources
    space = drafting.spaces[logits]
    if space.layout != "matrix":
        raise NoKernel(value, "with one class")
    logs = drafting.instruction("log_softmax", space, logits)
    weighed = drafting.elementwise(Multiply(), value, space, [targets, logs])
    total = drafting.instruction("row_sum", space_of(value), weighed)
    return drafting.elementwise(Negative(), value, space_of(value), [total])


def _one_hot(drafting: Drafting, value: Value, sources: list[int]) -> int:
    wanted = space_of(value)
    if drafting.spaces[sources[0]].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.shape}")
    rows = Space("matrix", wanted.rows, wanted.columns)
    return _as(drafting, drafting.instruction("one_hot", rows, sources[0]), wanted)


def _gather(drafting: Drafting, value: Value, sources: list[int]) -> int:
    """The rows of a table side by side, where there are several numbers a row."""
    table, numbers = sources
    wanted = space_of(value)
    if drafting.spaces[numbers].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.shape}")
    rows = Space("matrix", wanted.rows, wanted.columns)
    return _as(
        drafting, drafting.instruction("gather", rows, _matrix(drafting, table), numbers), wanted
    )


def _scatter_add(drafting: Drafting, value: Value, sources: list[int]) -> int:
    rows, numbers = sources
    wanted = space_of(value)
    if drafting.spaces[numbers].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.inputs[0].shape}")
    return drafting.instruction("scatter_add", wanted, _matrix(drafting, rows), numbers)


def _transpose(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    if value.rank != 2 or op.order(2) != (1, 0):
        raise NoKernel(value, f"of shape {value.inputs[0].shape}")
    return _transposed(drafting, value, sources[0])


def _dropout_mask(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _drawn(drafting, value, sources, (op.stream, op.cycle or 0), real=op.rate)


def _normal_noise(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _drawn(drafting, value, sources, (op.stream,))


def _random_flip(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _changed_images(drafting, value, sources, op.axis)


def _random_shift(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _changed_images(drafting, value, sources, op.rows, op.columns, int(op.reverse))


def _changed_images(drafting: Drafting, value: Value, sources: list[int], *settings: int) -> int:
    op: Any = value.op
    images, key = sources
    if not isinstance(value.shape[0], Batch) or drafting.spaces[images].layout == "integers":
        raise NoKernel(value, "on images that are not rows of real numbers")
    _, height, width, *channels = value.shape
    integers = (op.stream, height, width, *(channels or [1]), *settings)
    return _drawn(drafting, value, [_matrix(drafting, images), key], integers)


def _drawn(
    drafting: Drafting, value: Value, sources: list[int], integers: tuple[int, ...], **settings: Any
) -> int:
    """What a key decides, stream first among the integers."""
    assert value.op is not None
    if drafting.spaces[sources[-1]].layout != "key":
        raise NoKernel(value, "with a key that is not an input")
    wanted = space_of(value)
    made = drafting.instruction(
        value.op.name,
        _shaped(wanted.rows, wanted.columns),
        *sources,
        integers=integers,
        **settings,
    )
    return _as(drafting, made, wanted)


def _batch_size(drafting: Drafting, value: Value, sources: list[int]) -> int:
    if drafting.batch_size < 0:
        drafting.batch_size = drafting.slot(SCALAR, stored=True)
    return drafting.batch_size


def _pieces(
    drafting: Drafting, value: Value, axis: int, parts: Sequence[tuple[int, int, int, int]]
) -> int:
    """A matrix put together of parts (slot, from, to, count) along an axis; the rest is zero."""
    wanted = space_of(value)
    axis %= max(value.rank, 1)
    of_rows = value.rank > 1 and (value.rank == 2 or isinstance(value.shape[0], Batch))
    if axis == 0 or not of_rows:
        raise NoKernel(value, f"along axis {axis} of shape {value.shape}")
    out = drafting.slot(Space("matrix", wanted.rows, wanted.columns), stored=True)
    if sum(count for *_, count in parts) < _size(value, axis):
        zero = Draft("elementwise", drafting.spaces[out])
        zero.code.append(("copy", out, (drafting.number(0.0),)))
        drafting.drafts.append(zero)
    before = math.prod(_size(value, i) for i in range(1, axis))  # so many runs of columns in a row
    after = math.prod(_size(value, i) for i in range(axis + 1, value.rank))
    for slot, start, to, count in parts:
        source = _matrix(drafting, slot)
        width, made = drafting.spaces[source].columns // before, _size(value, axis) * after
        for run in range(before):
            places = (run * width + start * after, run * made + to * after, count * after)
            drafting.drafts.append(
                Draft("copy_columns", drafting.spaces[out], out, a=source, integers=places)
            )
    drafting.made_by[out] = len(drafting.drafts) - 1
    return _as(drafting, out, wanted)


def _size(value: Value, axis: int) -> int:
    """How many entries it has along an axis that is not the batch's."""
    size = value.shape[axis]
    assert isinstance(size, int)
    return size


def _concatenate(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    if op.axis % value.rank == 0:
        raise NoKernel(value, f"along axis {op.axis} of shape {value.shape}")
    widths = [_size(x, op.axis) for x in value.inputs]
    starts = [sum(widths[:i]) for i in range(len(widths))]
    parts = [(s, 0, to, n) for s, to, n in zip(sources, starts, widths, strict=True)]
    return _pieces(drafting, value, op.axis, parts)


def _slice(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    return _pieces(drafting, value, op.axis, [(sources[0], op.start, 0, op.stop - op.start)])


def _pad(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    parts = [(sources[0], 0, op.before, value.shape[op.axis] - op.before - op.after)]
    return _pieces(drafting, value, op.axis, parts)


def spread_out(drafting: Drafting, value: Value, sources: list[int]) -> list[int]:
    """What elementwise code reads in place of sources that are broadcast to more than two axes."""
    if value.rank <= 2:
        return sources
    pairs = zip(value.inputs, sources, strict=True)
    return [_spread_one(drafting, value, x, slot) for x, slot in pairs]


def _spread_one(drafting: Drafting, value: Value, source: Value, slot: int) -> int:
    wanted, own = space_of(value), drafting.spaces[slot]
    if own == wanted or own.layout not in ("matrix", "column"):
        return slot
    sizes = [d for d in value.shape[1:] if isinstance(d, int)]
    given = [1] * (value.rank - source.rank) + list(source.shape)
    kept = [i for i, d in enumerate(given[1:]) if d != 1]
    if not kept:
        return slot  # a number for each row
    first, last = kept[0], kept[-1] + 1
    whole = given[first + 1 : last + 1] == sizes[first:last]
    columns = math.prod(sizes[first:last])
    if (
        wanted.rows != BATCH_ROWS
        or not whole
        or own.columns != columns
        or own.rows not in (1, BATCH_ROWS)
    ):
        raise NoKernel(value, "of more than two axes")
    times = math.prod(sizes[last:])
    return drafting.instruction(
        "spread_columns", Space("matrix", own.rows, wanted.columns), slot, integers=(times,)
    )


RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "affine": _affine,
    "reshape": _reshape,
    "sum": _sum,
    "max": _max,
    "subtract": _subtract,
    "argmax": _rowwise("row_argmax"),
    "softmax": _rowwise("softmax"),
    "log_softmax": _rowwise("log_softmax"),
    "sparse_softmax_cross_entropy": _rowwise("sparse_cross_entropy"),
    "softmax_cross_entropy": _softmax_cross_entropy,
    "one_hot": _one_hot,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "transpose": _transpose,
    "dropout_mask": _dropout_mask,
    "normal_noise": _normal_noise,
    "random_flip": _random_flip,
    "random_shift": _random_shift,
    "batch_size": _batch_size,
    "concatenate": _concatenate,
    "slice": _slice,
    "pad": _pad,
}
