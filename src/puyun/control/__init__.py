"""The control API, `/api/v1`: what a member does in the portal, done by a program with an access token. Shell.

It asks the services that the pages ask, under the permissions that the pages have. No rule and no figure is made here.
"""
