"""The playground: a chat with any model, at any tier, from the browser. Its calls are calls like all others."""
