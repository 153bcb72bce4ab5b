"""What the two web faces share: templates and languages, static files, sessions, forgery checks, security headers.

Shell. It knows nothing of what a page says and never decides about money; pages are ordinary HTML that works without
scripts, and scripts only make it quicker.
"""
