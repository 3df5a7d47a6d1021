"""Sandbox: what an answer may do to the process, and for how long."""
