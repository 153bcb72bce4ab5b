"""What the public pages say beyond the price list: changes, comparisons, what a use would cost, how fast a model is."""
