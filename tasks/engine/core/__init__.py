"""Vocabulary of the engine: errors, choices, constants, turns, frames and timelines."""
