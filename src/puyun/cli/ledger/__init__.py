"""Commands that move money other than by calls. Each is repeatable under its key, and says who did it and why."""
