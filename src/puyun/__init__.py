"""puyun: a platform that sells LLM API access. ARCHITECTURE.md shows the parts and who may import whom."""

__version__ = "0.1.0"
