"""`make soak`: processes killed at random, for as long as one likes, and the bill afterwards."""
