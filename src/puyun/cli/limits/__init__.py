"""puyun limits …: what organizations may ask for at a time, by the minute and by the day."""
