"""The IDX format, read from bytes written by hand."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from chainrule.data import load_source
from chainrule.data.idx import read_idx
from chainrule.errors import DataError

TRAIN, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array: np.ndarray, code: int = 8) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    files = {
        TRAIN: rng.integers(0, 256, (6, 3, 2), dtype=np.uint8),
        LABELS: rng.integers(0, 10, 6, dtype=np.uint8),
        TEST: rng.integers(0, 256, (4, 3, 2), dtype=np.uint8),
        TEST_LABELS: rng.integers(0, 10, 4, dtype=np.uint8),
    }
    for name, array in files.items():
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path, files


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(8, "uint8"), (9, "int8"), (11, "int16"), (12, "int32"), (13, "float32"), (14, "float64")],
)
def test_every_type_is_read(tmp_path, code, dtype):
    array = np.arange(-3, 21).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array, code))
    read = read_idx(tmp_path / "a")
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, array)
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(array, code)))
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array)


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "is no IDX file .it starts with nothing"),
        (b"\x89PNG....", "is no IDX file .it starts with 89 50 4e 47"),
        (b"\0\0\x07\x01\0\0\0\0", "is no IDX file"),
        (b"\0\0\x08\x03\0\0\0\x01", "ends within its header"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"has 17 bytes, but 18 .* shape \(2, 3\)"),
        (idx(np.zeros((2, 3), np.uint8)) + b"\0", "has 19 bytes, but 18"),
        (gzip.compress(idx(np.zeros(9, np.uint8)), mtime=0)[:-5], "cannot be read"),
        (b"\x1f\x8b\x08\0garbage", "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_clear_sentence(tmp_path, content, trouble):
    path = tmp_path / "digits-idx3"
    path.write_bytes(content)
    with pytest.raises(DataError, match=trouble) as raised:
        read_idx(path)
    assert str(path) in str(raised.value)


def test_a_folder_of_four_files_is_a_source_with_its_official_test_set(folder):
    path, files = folder
    source = load_source(path)
    np.testing.assert_array_equal(source.features, files[TRAIN].reshape(6, 6))
    np.testing.assert_array_equal(source.target, files[LABELS])
    np.testing.assert_array_equal(source.test[0], files[TEST].reshape(4, 6))
    np.testing.assert_array_equal(source.test[1], files[TEST_LABELS])
    assert source.image_shape == (3, 2)
    assert source.features.dtype == np.uint8


def test_zipped_files_and_names_with_a_dot_are_found(folder):
    path, files = folder
    (path / TRAIN).rename(path / "train-images.idx3-ubyte")
    (path / f"{TEST}.gz").write_bytes(gzip.compress((path / TEST).read_bytes()))
    (path / TEST).unlink()
    np.testing.assert_array_equal(load_source(path).test[1], files[TEST_LABELS])


def test_an_incomplete_folder_says_what_it_lacks(folder):
    path, _ = folder
    (path / TEST_LABELS).unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte\[.gz\]: a folder"):
        load_source(path)


@pytest.mark.parametrize(
    ("name", "array", "trouble"),
    [
        (LABELS, np.zeros(5, np.uint8), r"\(6, 3, 2\) do not go with the labels of shape \(5,\)"),
        (TRAIN, np.zeros((6, 6), np.uint8), r"\(6, 6\) do not go with"),
        (TEST, np.zeros((4, 2, 2), np.uint8), r"shape \(3, 2\), the test images \(2, 2\)"),
    ],
)
def test_files_that_do_not_fit_together_are_an_error(folder, name, array, trouble):
    path, _ = folder
    (path / name).write_bytes(idx(array))
    with pytest.raises(DataError, match=trouble):
        load_source(path)


def test_mnist_is_read_whole(data_dir):
    source = load_source("mnist", data_dir=data_dir)
    assert source.features.shape == (60_000, 784)
    assert source.test[0].shape == (10_000, 784)
    assert source.image_shape == (28, 28)
    # The published first labels, and the published mean and standard deviation of the pixels.
    assert source.target[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    pixels = source.features.astype(np.float32) / 255
    assert pixels.mean() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std() == pytest.approx(0.3081, abs=5e-5)
