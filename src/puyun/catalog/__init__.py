"""What is sold: providers, deployments, models, and which tier may call what.

Pure. It owns the catalogue file (reading, checking, diffing, writing) and the immutable snapshot that the data plane
routes by. It must never talk to a provider or a database.
"""
