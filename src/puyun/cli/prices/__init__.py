"""puyun price …: the price book, by hand and by file, with the questions that are asked before a price changes."""
