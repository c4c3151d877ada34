from __future__ import annotations

import numpy as np

from chainrule.report.story import training_story

FALLING = [1.0, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08]


def told(history: dict[str, list[float]], **result: object) -> str:
    return " ".join(training_story(history, result))


def test_the_best_epoch_and_the_reason_for_stopping_are_told() -> None:
    story = told(
        {"loss": [1.0, 0.5, 0.4], "val_loss": [1.0, 0.5, 0.6]},
        epochs=3,
        best_epoch=2,
        stopped_because="val_loss has not improved for 1 epoch",
    )
    assert "The best validation loss, 0.5000, came at epoch 2" in story
    assert (
        "Training ended after 3 epochs: the validation loss has not improved for 1 epoch." in story
    )


def test_the_gap_between_the_sets_is_named_by_its_size() -> None:
    def gap(validation: float) -> str:
        return told(
            {
                "loss": [1.0, 0.5],
                "val_loss": [1.0, 0.5],
                "accuracy": [0.5, 0.95],
                "val_accuracy": [0.5, validation],
            }
        )

    assert "no sign of overfitting" in gap(0.955)
    assert "may look worse than they are" in gap(0.97)
    assert "a gap of 1.0 points: little sign of overfitting" in gap(0.94)
    assert "a gap of 3.0 points: some overfitting" in gap(0.92)
    assert "a gap of 15.0 points: the network fits its training rows much better" in gap(0.80)


def test_without_a_metric_the_losses_are_compared() -> None:
    assert "a gap of 100%" in told({"loss": [1.0, 0.2], "val_loss": [1.0, 0.4]})
    assert "a gap of 10%: little sign" in told({"loss": [1.0, 0.2], "val_loss": [1.0, 0.22]})


def test_a_lasting_rise_after_the_best_epoch_is_called_memorising() -> None:
    smooth = [1.0, 0.6, 0.5, 0.52, 0.56, 0.6, 0.65, 0.7]
    assert "memorised rather than learnt" in told({"loss": FALLING, "val_loss": smooth})
    noisy = [1.0, 0.6, 0.5, 0.8, 0.55, 0.9, 0.6, 0.75]
    assert "memorised" not in told({"loss": FALLING, "val_loss": noisy})


def test_a_loss_still_falling_asks_for_more_epochs() -> None:
    assert "training for longer may improve it" in told({"loss": FALLING, "val_loss": FALLING})


def test_a_loss_that_is_no_number_is_called_diverged() -> None:
    nan = float("nan")
    assert "not a finite number at epoch 2" in told({"loss": [1.0, nan], "val_loss": [1.0, nan]})
    assert "never a finite number" in told({"loss": [nan, nan]})


def test_without_validation_overfitting_cannot_be_seen() -> None:
    story = told({"loss": [1.0, 0.25]})
    assert "fell from 1.000 to 0.2500" in story
    assert "cannot show whether the network overfits" in story


def test_nothing_known_is_nothing_told() -> None:
    assert told({}) == ""
    assert told({}, epochs=1) == "Training ended after 1 epoch."


def test_epochs_are_called_by_their_numbers() -> None:
    history = {"epoch": [11, 12], "loss": [1.0, 0.5], "val_loss": [1.0, 0.9]}
    assert "came at epoch 12;" in told(history)
    assert np.isfinite(history["loss"]).all()
