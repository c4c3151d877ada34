from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from chainrule.cli.interrupt import REASON, Interrupt
from chainrule.cli.progress import Bar, summary
from chainrule.training import BestSoFar, EpochEnd, Progress, Stopped, TrainingStarted


def terminal(width: int = 80) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        color_system=None,
        legacy_windows=False,
    )


def told(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue()))


def train(bar: Bar, epochs: int, stop_after: int | None = None, *, logs: dict[str, float]) -> None:
    with bar.drawn():
        bar(TrainingStarted(0, epochs, 100, 10, 2, "some rows"))
        for epoch in range(1, (stop_after or epochs) + 1):
            bar(Progress(epoch, 1, 2, 0.5))
            bar(EpochEnd(epoch, logs, 0.1))
            bar(BestSoFar(epoch, "val_loss", logs.get("val_loss", 0.0)))
        bar(Stopped(stop_after or epochs, "the epoch limit was reached", 1, 1.0))


CLASSES = {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.25, "val_accuracy": 0.875}
QUANTITIES = {"loss": 0.5, "mean_absolute_error": 0.3, "val_loss": 3.2e5}


@pytest.mark.parametrize("epochs", [1, 7, 20, 21, 100, 5000])
def test_without_a_terminal_some_twenty_lines_are_printed(epochs: int) -> None:
    console = Console(file=io.StringIO(), width=80)
    train(Bar(console, shown=True), epochs, logs=CLASSES)
    lines = [line for line in told(console) if line]
    assert len(lines) <= 22
    assert len(lines) >= min(epochs, 10)
    shown = [int(line.split("/")[0].removeprefix("epoch")) for line in lines]
    assert (shown[0], shown[-1]) == (1, epochs)
    assert lines[-1].endswith(": loss 0.5000; validation accuracy 0.8750, loss 0.2500")


def test_the_last_epoch_is_printed_where_training_stops_early() -> None:
    console = Console(file=io.StringIO(), width=80)
    train(Bar(console, shown=True), 100, 23, logs=QUANTITIES)
    lines = [line for line in told(console) if line]
    assert lines[-1] == "epoch  23/100: loss 0.5000; validation loss 3.2e+05"
    assert len(lines) == 6


def wait_for(words: str, console: Console) -> str:
    """The line with these words, once it has been drawn."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in told(console):
            if words in line:
                return line
        time.sleep(0.02)
    raise AssertionError(f"{words!r} was never drawn: {told(console)}")


def test_on_a_terminal_one_line_is_drawn_again_and_again() -> None:
    console = terminal()
    bar = Bar(console, shown=True)
    with bar.drawn():
        bar(TrainingStarted(0, 10, 100, 10, 2, "some rows"))
        bar(EpochEnd(1, CLASSES, 0.1))
        bar(Progress(2, 1, 2, 0.5))
        line = wait_for("epoch  2/10 ", console)
    assert "validation accuracy 0.8750, loss 0.2500" in line
    assert max(map(len, told(console))) <= 80


def test_the_time_left_follows_from_the_time_spent() -> None:
    console, seconds = terminal(), iter([0.0, 0.0, 60.0])
    bar = Bar(console, shown=True, clock=lambda: next(seconds))
    with bar.drawn():
        bar(TrainingStarted(0, 10, 100, 10, 2, "some rows"))
        bar(Progress(4, 2, 2, 0.5))  # 6 more epochs, of 15 s each
        wait_for("up to 1 min 30 s left", console)


def test_the_best_loss_is_told_where_there_is_no_accuracy() -> None:
    console = terminal(100)
    bar = Bar(console, shown=True)
    with bar.drawn():
        bar(TrainingStarted(0, 10, 100, 10, 2, "some rows"))
        bar(EpochEnd(1, QUANTITIES, 0.1))
        bar(BestSoFar(1, "val_loss", 0.125))
        bar(Progress(2, 1, 2, 0.5))
        wait_for("validation loss 3.2e+05, best 0.1250", console)


@pytest.mark.parametrize("console", [terminal(), Console(file=io.StringIO(), width=80)])
def test_nothing_is_drawn_where_nothing_is_to_be_shown(console: Console) -> None:
    train(Bar(console, shown=False), 5, logs=CLASSES)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == ""


def test_validation_rows_say_more_than_training_rows() -> None:
    assert summary(CLASSES) == "validation accuracy 0.8750, loss 0.2500"
    assert summary({"loss": 0.5, "accuracy": 0.75}) == "accuracy 0.7500, loss 0.5000"
    assert summary({"loss": 1e-9}) == "loss 1e-09"


def test_the_first_interrupt_asks_and_the_second_ends() -> None:
    interrupt, event = Interrupt(), Progress(1, 1, 2, 0.5)
    interrupt.begin()
    assert interrupt(event) is None
    interrupt.hear(2, None)
    assert interrupt(event) == REASON
    with pytest.raises(KeyboardInterrupt):
        interrupt.hear(2, None)


def test_an_interrupt_before_training_ends_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        Interrupt().hear(2, None)
