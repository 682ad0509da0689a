"""Kernels of our own, each with a twin in plain torch that says what it computes.

Triton is imported only where a card is used; modules ending in `_triton` import it at the top.
"""
