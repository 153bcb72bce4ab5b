"""Access tokens in the portal: the list with its form, and the one page that ever shows a secret."""
