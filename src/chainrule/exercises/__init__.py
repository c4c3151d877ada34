"""Exercises in back-propagation: worksheets with a key, and a checker that finds the first wrong line."""

from chainrule.exercises.checking import Verdict, check
from chainrule.exercises.making import Exercise, exercise

__all__ = ["Exercise", "Verdict", "check", "exercise"]
