"""Rules: how operations that do not work element by element are drafted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.engines.native.drafts import SCALAR, Draft, Drafting, NoKernel, merged, space_of
from chainrule.engines.native.plan import BATCH_ROWS, MOST_AXES, Space
from chainrule.graph import BATCH, Batch, Shape, Value
from chainrule.ops.arithmetic import Add, Multiply, Negative

Rule = Callable[[Drafting, Value, "list[int]"], int]


def _matrix(drafting: Drafting, slot: int) -> int:
    """The slot as a matrix a product can read."""
    slot = drafting.settled(slot)
    space = drafting.spaces[slot]
    if space.layout == "column":
        return drafting.strided(slot, Space("matrix", space.rows, 1))
    drafting.stored[slot] = True
    return slot


Axes = list[tuple[int, int]]  # size and stride of each


def _axes(shape: Shape) -> Axes:
    """The axes of elements numbered row after row, of a batch in each row."""
    sizes = [1 if isinstance(d, Batch) else d for d in shape]
    return [(size, math.prod(sizes[i + 1 :])) for i, size in enumerate(sizes)]


def _length(axes: Axes) -> int:
    """How many elements there are along axes."""
    return math.prod(size for size, _ in axes)


def _in_a_row(shape: Shape) -> Space:
    """A matrix with the elements in one row, of a batch in as many as it has."""
    rows = BATCH_ROWS if BATCH in shape else 1
    return Space("matrix", rows, _length(_axes(shape)))


def _rearranged(
    drafting: Drafting, value: Value, slot: int, wanted: Space, axes: Axes, start: int = 0
) -> int:
    """What stands along some axes of a slot, put into the wanted space."""
    if len(merged(axes)) > MOST_AXES:
        raise NoKernel(value, f"of shape {value.shape}")
    return drafting.strided(slot, wanted, axes, start)


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
    return drafting.strided(made, space_of(value))


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
    return drafting.strided(sources[0], space_of(value))


def _sum(drafting: Drafting, value: Value, sources: list[int]) -> int:
    (x,) = sources
    own, wanted = drafting.spaces[x], space_of(value)
    op: Any = value.op
    (inner,) = value.inputs
    shape, axes = inner.shape, op.reduced(inner.rank)
    if own == wanted:
        return x
    if own.layout == "matrix" and own.rows == BATCH_ROWS and 0 in axes and wanted != SCALAR:
        x = drafting.instruction("column_sum", Space("matrix", 1, own.columns), x)
        return _along(drafting, value, "row_sum", x, (1, *shape[1:]))
    if own.layout == "matrix" and own.rows > 1 and axes == tuple(range(inner.rank - 1)):
        x = drafting.instruction("column_sum", Space("matrix", 1, own.columns), x)
        return drafting.strided(x, wanted)
    by_row = "row_sum"
    squares = inner.op is not None and inner.op.name == "square" and own.layout == "matrix"
    if squares and (wanted == SCALAR or not _first(shape, axes)):
        x, by_row = drafting.real(drafting.slot_of[inner.inputs[0]]), "row_sum_of_squares"
    if wanted == SCALAR:
        if own.layout == "matrix":
            x = drafting.instruction(by_row, Space("column", own.rows), x)
        return drafting.instruction("total", SCALAR, x)
    return _along(drafting, value, by_row, x, shape)


def _first(shape: Shape, axes: Sequence[int]) -> bool:
    """Whether some axes come before all others in a row, and there are others."""
    long = [i in axes for i, (size, _) in enumerate(_axes(shape)) if size > 1]
    return long == sorted(long, reverse=True) and not all(long)


def _along(drafting: Drafting, value: Value, opcode: str, slot: int, shape: Shape) -> int:
    """A sum or a maximum over the axes of a shape that the value's operation names, but the batch's."""
    op: Any = value.op
    wanted, own, axes = space_of(value), drafting.spaces[slot], op.reduced(len(shape))
    given, row = _axes(shape), _in_a_row(shape)
    kept = [axis for i, axis in enumerate(given) if i not in axes]
    taken = [axis for i, axis in enumerate(given) if i in axes]
    count = _length(kept)
    if count == _length(given):  # of one element each
        return drafting.strided(slot, wanted)
    if axes == (len(shape) - 1,) and row.rows == 1 and own.layout == "matrix":
        made = drafting.instruction(opcode, Space("column", own.rows), slot)
    elif opcode == "row_sum" and _first(shape, axes):
        slot = drafting.strided(slot, row)
        made = drafting.instruction("fold_columns", Space("matrix", row.rows, count), slot)
    else:
        slot = _rearranged(drafting, value, slot, row, kept + taken)
        space = Space("matrix", row.rows, count) if count > 1 else Space("column", row.rows)
        made = drafting.instruction(opcode, space, slot, integers=(count,) if count > 1 else ())
    return drafting.strided(made, wanted)


def _max(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    (shape,) = (x.shape for x in value.inputs)
    axes = op.reduced(len(shape))
    if BATCH in [shape[i] for i in axes]:
        raise NoKernel(value, f"over axes {op.axes} of {shape}")
    return _along(drafting, value, "row_max", sources[0], shape)


def _rowwise(opcode: str) -> Rule:
    def rule(drafting: Drafting, value: Value, sources: list[int]) -> int:
        x, *rest = sources
        x = _matrix(drafting, x)
        own, wanted = drafting.spaces[x], space_of(value)
        shape = value.inputs[0].shape
        if shape[-1:] == (BATCH,):
            raise NoKernel(value, f"on shape {shape}")
        count = _length(_axes(shape)[:-1]) if BATCH in shape else 1
        space = own if opcode in ("softmax", "log_softmax") else wanted
        integers = (count,) if count > 1 else ()
        made = drafting.instruction(opcode, space, x, *rest, integers=integers)
        return drafting.strided(made, wanted)

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
    own = drafting.spaces[logits]
    logits = _matrix(drafting, logits)
    logs = drafting.instruction("log_softmax", drafting.spaces[logits], logits)
    weighed = drafting.elementwise(Multiply(), value, own, [targets, drafting.strided(logs, own)])
    wanted = space_of(value)
    total = weighed if own == wanted else drafting.instruction("row_sum", wanted, weighed)
    return drafting.elementwise(Negative(), value, wanted, [total])


def _one_hot(drafting: Drafting, value: Value, sources: list[int]) -> int:
    wanted = space_of(value)
    if drafting.spaces[sources[0]].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.shape}")
    rows = Space("matrix", wanted.rows, wanted.columns)
    return drafting.strided(drafting.instruction("one_hot", rows, sources[0]), wanted)


def _gather(drafting: Drafting, value: Value, sources: list[int]) -> int:
    """The rows of a table side by side, where there are several numbers a row."""
    table, numbers = sources
    wanted = space_of(value)
    if drafting.spaces[numbers].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.shape}")
    rows = Space("matrix", wanted.rows, wanted.columns)
    made = drafting.instruction("gather", rows, _matrix(drafting, table), numbers)
    return drafting.strided(made, wanted)


def _scatter_add(drafting: Drafting, value: Value, sources: list[int]) -> int:
    rows, numbers = sources
    wanted = space_of(value)
    if drafting.spaces[numbers].rows != BATCH_ROWS:
        raise NoKernel(value, f"of shape {value.inputs[0].shape}")
    return drafting.instruction("scatter_add", wanted, _matrix(drafting, rows), numbers)


def _transpose(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    (shape,) = (x.shape for x in value.inputs)
    wanted, order = space_of(value), op.order(value.rank)
    if order == (1, 0) and wanted.layout == "matrix":
        return _transposed(drafting, value, sources[0])
    axes = _axes(shape)
    return _rearranged(drafting, value, sources[0], wanted, [axes[i] for i in order])


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
    if not isinstance(value.shape[0], Batch):
        raise NoKernel(value, "on images that are not rows of the data")
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
    return drafting.strided(made, wanted)


def _batch_size(drafting: Drafting, value: Value, sources: list[int]) -> int:
    if drafting.batch_size < 0:
        drafting.batch_size = drafting.slot(SCALAR, stored=True)
    return drafting.batch_size


def _pieces(
    drafting: Drafting, value: Value, axis: int, parts: Sequence[tuple[int, int, int]]
) -> int:
    """Parts (slot, to, count) joined along an axis; the rest is zero."""
    wanted, row, axes = space_of(value), _in_a_row(value.shape), _axes(value.shape)
    if wanted.layout == "integers":
        raise NoKernel(value, "of integers")
    out = drafting.slot(row, stored=True)
    size, stride = axes[axis]
    if sum(count for *_, count in parts) < size:
        zero = Draft("elementwise", row)
        zero.code.append(("copy", out, (drafting.number(0.0),)))
        drafting.drafts.append(zero)
    for slot, to, count in parts:
        runs, width, made = _length(axes[:axis]), count * stride, size * stride
        source = drafting.strided(drafting.settled(slot), Space("matrix", row.rows, runs * width))
        drafting.stored[source] = True
        for run in range(runs):  # so many of them in a row
            places = (run * width, run * made + to * stride, width)
            drafting.drafts.append(Draft("copy_columns", row, out, a=source, integers=places))
    drafting.made_by[out] = len(drafting.drafts) - 1
    return drafting.strided(out, wanted)


def _concatenate(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    axis = op.axis % value.rank
    widths = [_axes(x.shape)[axis][0] for x in value.inputs]
    starts = [sum(widths[:i]) for i in range(len(widths))]
    return _pieces(drafting, value, axis, list(zip(sources, starts, widths, strict=True)))


def _slice(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    axes = _axes(value.inputs[0].shape)
    stride = axes[op.axis][1]
    axes[op.axis] = (op.stop - op.start, stride)
    return _rearranged(drafting, value, sources[0], space_of(value), axes, op.start * stride)


def _pad(drafting: Drafting, value: Value, sources: list[int]) -> int:
    op: Any = value.op
    axis = op.axis % value.rank
    count, _ = _axes(value.inputs[0].shape)[axis]
    return _pieces(drafting, value, axis, [(sources[0], op.before, count)])


def spread_out(drafting: Drafting, value: Value, sources: list[int]) -> list[int]:
    """What elementwise code reads in place of sources that are broadcast."""
    pairs = zip(value.inputs, sources, strict=True)
    return [_spread_one(drafting, value, x, slot) for x, slot in pairs]


def _spread_one(drafting: Drafting, value: Value, source: Value, slot: int) -> int:
    wanted, own = space_of(value), drafting.spaces[slot]
    upright = own == Space("matrix", wanted.rows, 1)
    if upright or drafting.spread(slot, wanted) is not None:
        return slot
    given = _axes((*[1] * (value.rank - source.rank), *source.shape))
    pairs = zip(_axes(value.shape), given, strict=True)
    axes = [(size, stride if n > 1 else 0) for (size, _), (n, stride) in pairs]
    if wanted.rows == BATCH_ROWS:
        wanted = Space("matrix", own.rows if own.rows == BATCH_ROWS else 1, wanted.columns)
    return _rearranged(drafting, value, slot, wanted, axes)


def _broadcast_to(drafting: Drafting, value: Value, sources: list[int]) -> int:
    if value.kind == "int":
        raise NoKernel(value, "of integers")
    (source,) = spread_out(drafting, value, sources)
    assert value.op is not None
    return drafting.elementwise(value.op, value, space_of(value), [source])


def _real(drafting: Drafting, value: Value, sources: list[int]) -> int:
    return drafting.real(sources[0])


READING_INTEGERS = ("one_hot", "gather", "scatter_add", "sparse_softmax_cross_entropy")
RULES: dict[str, Rule] = {
    "matmul": _matmul,
    "affine": _affine,
    "real": _real,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
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
