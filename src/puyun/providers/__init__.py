"""One upstream dialect each: where to send a call, with which headers, and what a failure means.

Pure: no sockets. The echo provider answers by itself.
"""
