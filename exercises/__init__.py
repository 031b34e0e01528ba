"""Exercises that answer back: `check` judges an answer, `hint` nudges, `solution` shows the way."""

from exercises.tutor import check, hint, solution

__all__ = ["check", "hint", "solution"]
