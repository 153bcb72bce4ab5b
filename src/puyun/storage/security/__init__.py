"""How people prove who they are beside the password: second steps, recovery codes, passkeys; and their sessions."""
