"""The page of a step in a real browser: what a reader clicks, types and sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr

UNITS = {"input_1": ["A", "B"], "dense": ["D", "E"], "dense_1": ["G"]}


def koehn() -> cr.Ledger:
    model = cr.Sequential(
        [cr.layers.Dense(2, activation="sigmoid"), cr.layers.Dense(1, activation="sigmoid")]
    )
    model.build((2,))
    model.set_weights([[[3.7, 2.9], [3.7, 2.9]], [-1.5, -4.5], [[4.5], [-5.2]], [-2.0]])
    model.compile(
        cr.optimizers.SGD(10.0), "half_squared_error", precision="float64", engine="reference"
    )
    return cr.explain(model, [[1.0, 0.0]], [[1.0]], units=UNITS).shown(descent=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    found = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if found is None:
        pytest.skip("no Chromium to open the page in")
    with api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    koehn().save(folder / "koehn.html", steps=3)
    return folder


@pytest.fixture
def page(browser: Any, pages: Path) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    trouble: list[str] = []
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.goto((pages / "koehn.html").as_uri())
    yield opened
    opened.close()
    assert trouble == []


def told(page: Any) -> str:
    return "".join(page.text_content(".formula").split())


def number(page: Any, node: str, kind: str = "number") -> str:
    return str(page.text_content(f"#{node} .{kind}"))


def test_a_reader_goes_through_a_whole_step(page: Any) -> None:
    assert page.inner_text(".phase").startswith("Forward")
    assert told(page).endswith("2.2")
    seen = [told(page)]
    lines = int(page.get_attribute("#slider", "max")) + 1
    for _ in range(lines):
        page.click("#on")
        if told(page) != seen[-1]:
            seen.append(told(page))
    assert len(seen) == lines - 13  # all but what was given before
    for end in ("0.764519", "0.0423935✓", "0.0171313✓", "0.381647", "0.171313", "0.920225"):
        assert any(line.endswith(end) for line in seen), end
    assert seen[-1].endswith("0.003182")
    assert page.is_visible("text=After the step · line 59 of 59")
    assert number(page, "n1-0") == ".9"
    assert number(page, "n2-0") == ".92"  # the output, computed again with the new weights
    assert number(page, "n2-0", "error") == ".0424"
    assert page.text_content("#e2-0-0 text") == "4.88"
    page.click("#begin")
    assert number(page, "n1-0") == ""


def test_nodes_and_edges_show_forward_and_backward_numbers_in_their_colours(page: Any) -> None:
    page.keyboard.press("PageDown")  # the loss
    assert page.inner_text(".phase").startswith("Loss")
    assert page.get_attribute("#n1-0", "class") == "node forward"
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    assert page.inner_text(".phase").startswith("Update")
    assert page.get_attribute("#n1-0", "class") == "node backward"
    assert number(page, "n1-1", "error") == "−.0308"
    assert "backward" in page.get_attribute("#e2-1-0", "class")
    page.keyboard.press("Home")
    assert page.text_content("#n1-0 .error") == ""


def test_a_unit_or_a_weight_that_is_clicked_shows_its_lines(page: Any) -> None:
    page.click("#n1-1 circle")
    shown = page.locator("tr[data-i]:visible")
    assert shown.count() == 9  # b, z, a, ∂L/∂a, σ′, δ, ∂L/∂b, Δb, b′
    assert told(page).startswith("zE=xA·WA→E+")
    page.click("#all")
    assert shown.count() == 59
    page.focus("#e2-0-0")
    page.keyboard.press("Enter")
    assert shown.count() == 4  # W, ∂L/∂W, ΔW, W′
    page.keyboard.press("Escape")
    assert shown.count() == 59


def test_successive_training_steps(page: Any) -> None:
    assert "loss 0.0277256 → 0.003182" in page.inner_text("#step")
    page.keyboard.press("]")
    assert page.inner_text("#step").startswith("Step 2: loss 0.003182")
    assert told(page).endswith("2.54263")  # z[D] with the new weights: 3.87131 − 1.32869
    page.click("#later")
    assert page.is_disabled("#later")
    page.keyboard.press("[")
    page.click("#earlier")
    assert told(page).endswith("2.2")


@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_the_screen_and_a_picture_is_kept(browser: Any, pages: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 1000})
    page.goto((pages / "koehn.html").as_uri())
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    folder = Path(os.environ.get("CHAINRULE_ARTEFACTS", pages))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"ledger-{width}.png"
    page.screenshot(path=str(file))
    assert file.stat().st_size > 10_000
    page.close()


def test_printed_it_has_every_line_and_no_buttons(page: Any) -> None:
    page.click("#n1-1 circle")
    page.emulate_media(media="print")
    assert page.locator("tr[data-i]:visible").count() == 59
    assert not page.is_visible("#on")


def test_a_large_network_s_page_is_small_and_opens_at_once(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = cr.Sequential(
        [cr.layers.Dense(128, activation="relu"), cr.layers.Dense(10, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", engine="reference")
    ledger = cr.explain(model, rng.uniform(size=(1, 784)), [3])
    ledger.save(tmp_path / "large.html")
    assert (tmp_path / "large.html").stat().st_size < 2_000_000
    page, taken = browser.new_page(), []
    for _ in range(3):  # the best of three, as the machine may be busy
        page.goto((tmp_path / "large.html").as_uri())
        opened = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
        taken.append(page.evaluate(opened))
    assert min(taken) < 3000
    assert page.locator(".node").count() == 6 + 6 + 10 + 1
    assert "and 778 more" in page.inner_text(".network")
    page.close()


def test_the_page_needs_nothing_from_outside() -> None:
    written = koehn().html()
    assert "http" not in written.replace("http://www.w3.org", "")
    assert "<script src" not in written
    assert "@import" not in written
