"""Webhooks in the portal: the list, one with its log, and the one page that ever shows a secret."""
