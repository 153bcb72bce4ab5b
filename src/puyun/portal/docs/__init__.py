"""The documentation for people who call models: Markdown in each language, filled with what this service is and sells."""
