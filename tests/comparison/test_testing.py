import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from chainrule.comparison.testing import corrected, holm


def test_the_variance_is_that_of_nadeau_and_bengio():
    values = [0.02, 0.05, -0.01, 0.04, 0.03]
    found = corrected(values, train_rows=80, test_rows=20)
    spread = math.sqrt(np.var(values, ddof=1) * (1 / 5 + 20 / 80))
    assert found.mean == pytest.approx(np.mean(values))
    assert found.p == pytest.approx(2 * stats.t.sf(np.mean(values) / spread, 4))
    half = stats.t.ppf(0.975, 4) * spread
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12, unique=True))
def test_without_test_rows_it_is_the_usual_t_test(values):
    found = corrected(values, train_rows=1, test_rows=0)
    if np.var(values) > 1e-20:
        assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=1e-9)


def test_models_that_never_differ_are_noise_even_if_rounding_parts_them():
    assert corrected([0.0, 0.0, 0.0], 80, 20).p == 1.0
    assert corrected([7e-15, 7e-15, 0.0], 80, 20, scale=40.0).p == 1.0


@pytest.mark.parametrize("step", [0.5, 1 / 36, -1e-9])
def test_differences_that_never_vary_but_for_rounding_give_no_evidence(step):
    for values in ([step, step], [0.7 + step - 0.7, 0.9 + step - 0.9, 0.1 + step - 0.1]):
        found = corrected(values, 80, 20, scale=1.0)
        assert found.mean == pytest.approx(step)
        assert all(map(math.isnan, (found.p, found.low, found.high)))


def test_a_small_but_real_spread_is_tested():
    assert corrected([1e-3, 1e-3 + 1e-9], 80, 20, scale=1.0).p < 0.001


def test_splits_of_one_table_seldom_call_equal_models_different():
    rng = np.random.default_rng(0)
    called = plain = 0
    for _ in range(400):  # scores of two models that are equally good, on overlapping splits
        rows = rng.normal(size=100)  # each row's difference of losses, of mean 0
        values = [rng.permutation(rows)[:20].mean() for _ in range(10)]
        called += corrected(values, train_rows=80, test_rows=20).p < 0.05
        plain += stats.ttest_1samp(values, 0).pvalue < 0.05
    assert called / 400 < 0.1
    assert plain / 400 > 0.2


def test_several_chances_are_raised_as_holm_says():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
