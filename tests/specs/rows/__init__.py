"""One module for each family; each has `ROWS`."""
