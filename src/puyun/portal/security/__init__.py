"""Settings, Security: password, sessions, second step, passkeys; and the sign-ins that go with them."""
