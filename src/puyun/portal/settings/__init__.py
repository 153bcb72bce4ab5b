"""The pages under Settings: what a person may change of themselves."""
