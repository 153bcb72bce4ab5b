"""`python -m puyun.localmodel`: the child. The supervisor starts it; by hand it waits for its order on stdin."""

from puyun.localmodel.engine import main

main()
