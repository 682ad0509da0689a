"""Runs seen from outside: one in numbers, all in a list, two side by side."""
