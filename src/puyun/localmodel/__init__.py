"""The embedded demonstration model: a small real model in a child process that speaks the OpenAI dialect on loopback.

Owns finding the model, the child, its supervision and what is offered for it. To the data plane it is a provider like
any other: it must never be on the path of money, and the engine is never imported into the serving process.
"""
