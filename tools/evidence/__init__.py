"""Evidence: is what is validated really validated? Each command keeps what it found in docs/."""
