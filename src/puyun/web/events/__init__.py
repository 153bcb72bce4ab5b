"""Server-sent events: how many streams of a kind may be open in one process, and that each is counted once."""
