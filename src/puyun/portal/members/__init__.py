"""The people of an organization in the portal: the list, invitations, and following their links."""
