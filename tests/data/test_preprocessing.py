"""Raw rows become the network's inputs, as the training rows alone decide."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from chainrule.data import Preprocessing, describe_columns
from chainrule.data.encoders import MAX_LEVELS
from chainrule.errors import DataError, ModelFileError, ShapeError

RNG = np.random.default_rng(0)
ROWS = 60
TABLE = pl.DataFrame(
    {
        "age": RNG.integers(18, 90, ROWS),
        "height": RNG.normal(1.7, 0.1, ROWS),
        "city": RNG.choice(["Bern", "Graz", "Oslo"], ROWS),
        "member": RNG.choice([True, False], ROWS),
        "since": pl.Series(["2020-01-01", "2021-06-30", "2019-03-31"] * (ROWS // 3)),
        "number": range(ROWS),
    }
)
GAPS = TABLE.with_columns(
    height=pl.when(pl.int_range(ROWS) % 5 == 0).then(None).otherwise(pl.col("height")),
    city=pl.when(pl.int_range(ROWS) % 7 == 0).then(None).otherwise(pl.col("city")),
    member=pl.when(pl.int_range(ROWS) % 6 == 0).then(None).otherwise(pl.col("member")),
)


def test_a_table_becomes_the_columns_scikit_learn_makes_of_it():
    fitted = Preprocessing.fit(TABLE)
    near = TABLE.select("age", "height")
    since = TABLE["since"].str.to_date().cast(pl.Int32)
    numbers = StandardScaler().fit_transform(near.to_numpy())
    cities = OneHotEncoder(sparse_output=False).fit_transform(TABLE.select("city").to_numpy())
    dates = StandardScaler().fit_transform(since.to_numpy()[:, None])
    expected = np.hstack([numbers, cities, TABLE.select("member").to_numpy(), dates])
    result = fitted.transform(TABLE)
    assert np.abs(expected).max() < 3
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert fitted.feature_names == (
        *("age", "height", "city=Bern", "city=Graz", "city=Oslo", "member", "since"),
    )
    assert fitted.width == 7
    assert fitted.columns == ("age", "height", "city", "member", "since")


def test_only_the_training_rows_are_learnt_from():
    fitted = Preprocessing.fit(TABLE[:20])
    before = fitted.transform(TABLE)
    np.testing.assert_allclose(before[:20, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(before[:20, 0].std(), 1, atol=1e-6)
    assert abs(before[20:, 0].mean()) > 1e-3
    np.testing.assert_array_equal(fitted.transform(TABLE[20:]), before[20:])


def test_missing_values_are_filled_with_the_median_and_marked():
    fitted = Preprocessing.fit(GAPS)
    result = fitted.transform(GAPS)
    gone = GAPS["height"].is_null().to_numpy()
    names = fitted.feature_names
    np.testing.assert_array_equal(result[:, names.index("height is missing")], gone)
    heights = GAPS["height"].drop_nulls().to_numpy()
    expected = (np.median(heights) - heights.mean()) / heights.std()
    np.testing.assert_allclose(result[gone, names.index("height")], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        result[:, names.index("city is missing")], GAPS["city"].is_null().to_numpy()
    )
    assert result[GAPS["city"].is_null().to_numpy()][:, names.index("city=Bern")].max() == 0
    assert set(result[:, names.index("member")]) == {0, 1}
    assert "age is missing" not in names


def test_what_is_missing_only_at_prediction_is_filled_without_a_mark():
    fitted = Preprocessing.fit(TABLE)
    row = TABLE[:1].with_columns(age=pl.lit(None), city=pl.lit("?"), member=pl.lit(None))
    (values,) = fitted.transform(row)
    age = TABLE["age"].to_numpy()
    assert values[0] == pytest.approx((np.median(age) - age.mean()) / age.std(), rel=1e-6)
    np.testing.assert_array_equal(values[2:5], 0)
    assert values[5] == float(TABLE["member"].mean() > 0.5)


def test_a_category_unseen_in_training_is_all_zeros():
    fitted = Preprocessing.fit(TABLE)
    row = TABLE[:1].with_columns(city=pl.lit("Rome"))
    np.testing.assert_array_equal(fitted.transform(row)[0, 2:5], 0)


def test_a_column_with_one_value_and_gaps_is_its_gaps():
    fitted = Preprocessing.fit({"x": [1.0, 2.0, 3.0, 4.0], "c": [5, None, 5, None]})
    assert fitted.feature_names == ("x", "c is missing")
    np.testing.assert_array_equal(fitted.transform({"x": [1], "c": [None]})[0, 1], 1)


def test_whole_numbers_with_few_values_are_a_number_and_a_column_for_each_value():
    months = np.arange(300) % 12 + 1
    table = pl.DataFrame({"month": months, "day": np.arange(300) % 31, "half": months / 2})
    fitted = Preprocessing.fit(table)
    assert fitted.feature_names == ("month", *(f"month={m}" for m in range(1, 13)), "day", "half")
    x = fitted.transform(table)
    np.testing.assert_array_equal(x[:, 1:13], np.eye(12)[months - 1])
    np.testing.assert_allclose(x[:, 0], StandardScaler().fit_transform(months[:, None])[:, 0], 1e-6)
    note = fitted.report()[0].note
    assert note.startswith("whole numbers with few values, perhaps codes; standardised (mean 6.5")
    assert note.endswith("and one 0/1 column for each of 12 values")
    later = table.head(2).with_columns(month=pl.Series([13, None]))
    assert fitted.transform(later)[:, 1:13].sum() == 0  # neither unknown nor missing is a code
    assert fitted.transform(later)[0, 0] > fitted.transform(table)[:, 0].max()
    folds = table.rename({"month": "fold"})
    assert Preprocessing.fit(folds).feature_names == ("fold", "day", "half")
    few_rows = Preprocessing.fit(table.head(12 * 24))
    assert few_rows.feature_names == ("month", "day", "half")


def test_codes_that_are_missing_are_marked_beside_their_columns():
    rating = pl.Series([1, 2, 3, None] * 40)
    fitted = Preprocessing.fit(pl.DataFrame({"rating": rating}))
    names = ("rating", "rating=1", "rating=2", "rating=3", "rating is missing")
    assert fitted.feature_names == names
    np.testing.assert_array_equal(
        fitted.transform(pl.DataFrame({"rating": rating}))[:4, 1:], np.eye(4)
    )


def test_float64_keeps_the_digits_that_float32_drops():
    fitted = Preprocessing.fit(TABLE)
    wide, narrow = (fitted.transform(TABLE, precision=p) for p in ("float64", "float32"))
    assert (wide.dtype, narrow.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(wide.astype(np.float32), narrow)
    assert np.any(wide != narrow)
    x = RNG.normal(size=(50, 2))
    on_array = Preprocessing.fit(x).transform(x, precision="float64")
    np.testing.assert_allclose(on_array, StandardScaler().fit_transform(x), rtol=1e-12)


def test_very_many_categories_keep_columns_for_the_commonest():
    levels = [f"town{i:04}" for i in range(400)]
    words = levels * 20 + levels[:MAX_LEVELS]
    fitted = Preprocessing.fit({"town": words})
    assert fitted.feature_names == tuple(f"town={level}" for level in levels[:MAX_LEVELS])
    assert fitted.transform({"town": [levels[-1]]}).sum() == 0
    assert "144 rarer ones are all zeros" in fitted.report()[0].note


def test_a_wild_value_is_drawn_in_and_order_is_kept():
    values = np.concatenate([RNG.normal(size=1000), [1e6]])
    fitted = Preprocessing.fit({"x": values})
    wild = [-1e300, -1e9, -1e6, 0, 1e5, 2e5, 1e6, 1e9, 1e300]
    result = fitted.transform({"x": wild})[:, 0]
    assert np.abs(result).max() <= 4
    assert np.all(np.diff(result) >= 0)
    assert np.all(np.diff(result[1:-1]) > 0)


def test_numbers_of_any_size_are_standardised_without_overflow():
    fitted = Preprocessing.fit({"big": [1e300, -1e300, 5e299], "small": [1e-300, 2e-300, 4e-300]})
    result = fitted.transform({"big": [1e300, -1e300, 5e299], "small": [1e-300, 2e-300, 4e-300]})
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(result.std(axis=0), 1, rtol=1e-6)


def test_a_constant_that_floats_cannot_hold_exactly_is_left_out():
    fitted = Preprocessing.fit(
        pl.DataFrame({"x": [1.0, 2.0, 4.0], "k": [0.1, 0.1, 0.1]}), kinds={"k": "number"}
    )
    assert fitted.feature_names == ("x",)


def test_kinds_can_be_overruled():
    fitted = Preprocessing.fit({"code": [3, 1, 3, 2]}, kinds={"code": "category"})
    assert fitted.feature_names == ("code=1", "code=2", "code=3")
    np.testing.assert_array_equal(fitted.transform({"code": [2.0, 9.0]}), [[0, 1, 0], [0, 0, 0]])


def test_the_report_says_what_is_done_with_each_column():
    notes = {column.name: column.note for column in Preprocessing.fit(GAPS).report()}
    assert notes["number"] == "counts the rows: left out"
    assert notes["city"] == "one 0/1 column for each of 3 values and one for missing"
    assert notes["height"].startswith("standardised (mean 1.7")
    assert notes["height"].endswith("marked by a 0/1 indicator")
    assert notes["since"].startswith("used as days since 1970-01-01; standardised")


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "lazy", "mapping"])
def test_rows_of_any_library_give_the_same_bits(library):
    rows = {
        "pandas": lambda: GAPS.to_pandas(),
        "pyarrow": lambda: GAPS.to_arrow(),
        "lazy": lambda: GAPS.lazy(),
        "mapping": lambda: GAPS.to_dict(as_series=False),
    }[library]()
    fitted = Preprocessing.fit(GAPS)
    assert Preprocessing.fit(rows).transform(GAPS).tobytes() == fitted.transform(GAPS).tobytes()
    assert fitted.transform(rows).tobytes() == fitted.transform(GAPS).tobytes()


def test_a_file_read_again_gives_the_same_bits(tmp_path):
    from chainrule.data import load_source

    GAPS.write_csv(tmp_path / "rows.csv")
    fitted = Preprocessing.fit(GAPS)
    again = load_source(tmp_path / "rows.csv").features
    assert fitted.transform(again).tobytes() == fitted.transform(GAPS).tobytes()


def test_columns_in_another_order_and_further_ones_do_not_matter():
    fitted = Preprocessing.fit(TABLE)
    rows = TABLE.select(reversed(TABLE.columns)).with_columns(extra=pl.lit("x"))
    np.testing.assert_array_equal(fitted.transform(rows), fitted.transform(TABLE))


def test_each_row_is_transformed_on_its_own():
    fitted = Preprocessing.fit(GAPS)
    whole = fitted.transform(GAPS)
    for row in range(0, ROWS, 7):
        assert fitted.transform(GAPS[row : row + 1]).tobytes() == whole[row : row + 1].tobytes()


def test_no_rows_give_an_array_without_rows():
    assert Preprocessing.fit(TABLE).transform(TABLE[:0]).shape == (0, 7)


def test_a_round_trip_through_json_keeps_every_bit():
    fitted = Preprocessing.fit(GAPS)
    back = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
    assert back == fitted
    assert back.transform(GAPS).tobytes() == fitted.transform(GAPS).tobytes()


def test_another_process_gives_the_same_bits(tmp_path):
    fitted = Preprocessing.fit(GAPS)
    (tmp_path / "fitted.json").write_text(json.dumps(fitted.to_json()))
    GAPS.write_parquet(tmp_path / "rows.parquet")
    program = (
        "import json, polars, sys; from chainrule.data import Preprocessing; "
        "fitted = Preprocessing.from_json(json.load(open(sys.argv[1]))); "
        "sys.stdout.buffer.write(fitted.transform(polars.read_parquet(sys.argv[2])).tobytes())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "fitted.json", tmp_path / "rows.parquet"],
        capture_output=True,
        check=True,
    )
    assert done.stdout == fitted.transform(GAPS).tobytes()


def test_missing_columns_are_named():
    fitted = Preprocessing.fit(TABLE)
    with pytest.raises(DataError, match=r"lacks 2 of the 5 columns .* \(age, since\)"):
        fitted.transform(TABLE.drop("age", "since"))


def test_text_in_a_column_of_numbers_is_named():
    fitted = Preprocessing.fit(TABLE)
    rows = TABLE[:3].with_columns(age=pl.Series(["31", "old", "older"]))
    with pytest.raises(DataError, match=r"'age' should hold numbers, but row 1 .* holds 'old'"):
        fitted.transform(rows)


def test_infinite_values_are_an_error_in_training_and_after():
    wild = TABLE.with_columns(height=pl.lit(float("inf")))
    with pytest.raises(DataError, match="'height' is infinite in 60 rows"):
        Preprocessing.fit(wild)
    with pytest.raises(DataError, match="'height' is infinite in 60 rows"):
        Preprocessing.fit(TABLE).transform(wild)


@pytest.mark.parametrize(
    ("table", "trouble"),
    [
        ({"k": [1, 1], "e": [None, None]}, "No column is left .*'k': the same value.*'e': no val"),
        ({"y": [1, 2]}, "No column is left to learn from .the table has no other column"),
        ({"x": [], "y": []}, "no rows"),
    ],
)
def test_a_table_with_nothing_to_learn_from_is_an_error_that_says_why(table, trouble):
    with pytest.raises(DataError, match=trouble):
        Preprocessing.fit(table, drop=["y"] if "y" in table else [])


def test_dropping_an_unknown_column_is_an_error_with_the_nearest_one():
    with pytest.raises(DataError, match="no column 'aeg': did you mean 'age'"):
        Preprocessing.fit(TABLE, drop=["aeg"])


def test_an_array_is_no_substitute_for_a_table():
    with pytest.raises(DataError, match=r"columns age, .* was expected, not an array of shape"):
        Preprocessing.fit(TABLE).transform(np.zeros((3, 7)))


@pytest.mark.parametrize(
    "document", [{}, {"table": [{"kind": "number"}]}, {"array": {}}, {"table": 3}]
)
def test_a_damaged_document_is_an_error(document):
    with pytest.raises(ModelFileError, match="damaged or of another version"):
        Preprocessing.from_json(document)


# Arrays.


def test_columns_of_an_array_are_standardised():
    x = RNG.normal([5, -3, 0], [2, 0.5, 100], size=(200, 3))
    x = np.clip(x, *np.quantile(x, [0.01, 0.99], axis=0))
    np.testing.assert_allclose(
        Preprocessing.fit(x).transform(x), StandardScaler().fit_transform(x), atol=1e-6
    )


def test_bytes_are_pixels():
    images = RNG.integers(0, 256, size=(10, 4, 5), dtype=np.uint8)
    fitted = Preprocessing.fit(images)
    expected = images.reshape(10, 20).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(fitted.transform(images), expected)
    np.testing.assert_array_equal(fitted.transform(images.reshape(10, 20)), expected)
    assert fitted.width == 20


def test_the_scale_of_pixels_comes_from_the_training_rows():
    pixels = RNG.integers(0, 17, size=(50, 64)).astype(np.float64)
    fitted = Preprocessing.fit(pixels, image=True)
    np.testing.assert_array_equal(fitted.transform(pixels), (pixels / 16).astype(np.float32))
    assert fitted.transform(np.full((1, 64), 32.0)).max() == 2
    mask = RNG.integers(0, 2, size=(50, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Preprocessing.fit(mask).transform(mask), mask)
    black = np.zeros((5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Preprocessing.fit(black).transform(black), black)


def test_nan_in_an_array_is_filled_and_marked():
    x = RNG.normal(size=(30, 3))
    x[::4, 1] = np.nan
    fitted = Preprocessing.fit(x)
    result = fitted.transform(x)
    assert fitted.feature_names == ("x0", "x1", "x2", "x1 is missing")
    np.testing.assert_array_equal(result[:, 3], np.isnan(x[:, 1]))
    known = x[~np.isnan(x[:, 1]), 1]
    np.testing.assert_allclose(
        result[::4, 1], (np.median(known) - known.mean()) / known.std(), rtol=1e-6
    )
    later = np.array([[np.nan, 0.0, 0.0]])
    assert fitted.transform(later)[0, 0] == pytest.approx(
        (np.median(x[:, 0]) - x[:, 0].mean()) / x[:, 0].std(), rel=1e-5
    )
    assert fitted.transform(later)[0, 3] == 0


def test_a_constant_column_of_an_array_is_zero_whatever_comes_later():
    x = np.column_stack([np.full(9, 0.1), np.arange(9)])
    fitted = Preprocessing.fit(x)
    np.testing.assert_array_equal(fitted.transform(x)[:, 0], 0)
    np.testing.assert_array_equal(fitted.transform([[7.0, 1.0]])[:, 0], 0)
    assert "1 constant columns are 0" in fitted.report()[0].note


def test_an_array_round_trips_through_json():
    x = RNG.normal(size=(20, 3)).astype(np.float32)
    x[3, 2] = np.nan
    for fitted in (Preprocessing.fit(x), Preprocessing.fit(np.abs(x), image=True)):
        back = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
        assert back == fitted
        assert back.transform(x).tobytes() == fitted.transform(x).tobytes()


def test_a_frame_of_numbers_may_stand_for_the_array_trained_on():
    x = RNG.normal(size=(20, 2))
    fitted = Preprocessing.fit(x)
    frame = pd.DataFrame(x, columns=["a", "b"])
    np.testing.assert_array_equal(fitted.transform(frame), fitted.transform(x))


@pytest.mark.parametrize("shape", [(4, 3), (4,), (4, 2, 2)])
def test_an_array_of_another_width_is_an_error_with_both_shapes(shape):
    fitted = Preprocessing.fit(RNG.normal(size=(9, 5)))
    with pytest.raises(ShapeError, match=r"\(rows, 5\)") as raised:
        fitted.transform(np.zeros(shape))
    assert ", ".join(map(str, shape[1:])) in str(raised.value)


@pytest.mark.parametrize(
    ("array", "trouble"),
    [
        (np.array([[1.0, np.inf], [2.0, 0.0]]), "Column 1 of the array is infinite in 1 row "),
        (np.array([["a", "b"]]), "but numbers are expected"),
        ([[1, 2], [3]], "equally many in each row"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        (np.array([[1j]]), "complex"),
    ],
)
def test_an_array_nothing_can_be_learnt_from_is_an_error(array, trouble):
    with pytest.raises(DataError, match=trouble):
        Preprocessing.fit(array)


def test_a_flat_array_is_an_error_that_says_how_to_shape_it():
    with pytest.raises(ShapeError, match=r"one column of n values is \(n, 1\)"):
        Preprocessing.fit(np.arange(4.0))


def test_a_column_without_any_value_is_harmless_in_an_array():
    x = np.column_stack([np.arange(5.0), np.full(5, np.nan)])
    result = Preprocessing.fit(x).transform(x)
    assert np.isfinite(result).all()
    assert result.shape == (5, 3)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.just(float("nan")), st.floats(-8e307, 8e307)),
            st.one_of(st.none(), st.sampled_from(["a", "b", "?", "", "ä", "1"])),
        ),
        min_size=2,
        max_size=30,
    )
)
def test_whatever_the_table_the_result_is_finite_and_repeatable(rows):
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "c": pl.String}, orient="row")
    usable = any(
        column.used and column.unique > (0 if column.missing else 1)
        for column in describe_columns(frame)
    )
    if not usable:
        with pytest.raises(DataError, match="No column is left"):
            Preprocessing.fit(frame)
        return
    fitted = Preprocessing.fit(frame)
    result = fitted.transform(frame)
    assert result.shape == (len(rows), fitted.width)
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= 4
    back = Preprocessing.from_json(json.loads(json.dumps(fitted.to_json())))
    assert back.transform(pa.table(frame.to_arrow())).tobytes() == result.tobytes()
