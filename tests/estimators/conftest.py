import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def _one_thread_for_blas():
    """scikit-learn's side of a comparison: on a busy machine its threads get into each other's way."""
    with threadpool_limits(1, user_api="blas"):
        yield
