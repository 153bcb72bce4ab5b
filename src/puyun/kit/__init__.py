"""Ground that everything stands on: money, ids, time, errors. Pure; it imports nothing of ours."""
