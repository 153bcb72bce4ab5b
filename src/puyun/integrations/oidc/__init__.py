"""Issuers that vouch for who somebody is: OpenID Connect, authorization code flow with PKCE."""
