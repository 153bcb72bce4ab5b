"""Commands that explain and prove figures: receipts, statements, margins, a provider's bill. They change no money."""
