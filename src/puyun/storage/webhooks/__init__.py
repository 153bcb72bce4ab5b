"""Webhooks of organizations and their deliveries."""
