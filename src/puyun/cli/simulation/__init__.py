"""puyun simulate: the shipped rules on a virtual clock."""
