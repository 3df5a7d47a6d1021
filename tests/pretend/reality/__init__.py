"""Programs that a real GPU and a pretended one must answer alike, and what a real one answered (recorded.json)."""
