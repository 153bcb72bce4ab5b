"""Who is served next: lanes, pools, tiers, the order inside a tier, and the queues in front of them.

Pure and single-threaded: time is an argument, every method returns its decisions, nothing calls back, nothing polls.
It never knows a price, a key's secret or a wire, and it can never cost money: all it holds is rebuilt after a crash.
"""
