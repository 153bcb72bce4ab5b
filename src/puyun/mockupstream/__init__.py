"""An OpenAI-dialect upstream that answers the same thing every time and misbehaves on request, down to the byte.

It owns the faults that a gateway must survive, chosen by the model's name (`mock-tokens-50-die-midstream`), and a
journal of what it was asked and what it reported: the oracle that bills are compared with. It must never import
anything of the product: an oracle that shares code with what it judges judges nothing.
"""

from puyun.mockupstream.server import run as run
