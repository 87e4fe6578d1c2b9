"""The recipe of each flow: which steps, in which order. None of them imports Prefect.

A deployed flow (`flows/*.py`) is its recipe with a form in front; `step4` without a server calls the recipe itself.
"""
