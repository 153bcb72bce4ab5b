"""What tests over real processes share: children that always end, a mock upstream, a served platform, raw dialogues."""
