"""The wire's shapes: what customers send and get in a dialect, and server-sent events as bytes.

Pure. It parses once, at the edge, and keeps every byte it has no business with. It must never know a price.
"""
