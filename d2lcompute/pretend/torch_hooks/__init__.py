"""Hooks: where the pretended machine answers for torch."""
